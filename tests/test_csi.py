"""CSI decodes what whole-tile encoding wrote, for any shape, content, batch and network."""

import numpy as np
import pytest
import torch
from conftest import CONTENTS, make_network, random_weights
from hpac_cli.intnet.network import Network
from hypothesis import given, settings
from hypothesis import strategies as st

from hpac_cli.codec.tiles import decode_tiles, encode_tile
from hpac_cli.errors import ContainerError
from hpac_cli.training.planes import from_planes, to_planes


def make_planes(seed: int, content: str, shape: tuple[int, int, int]) -> torch.Tensor:
    samples = CONTENTS[content](np.random.default_rng(seed), shape)
    return to_planes(torch.from_numpy(samples.astype(np.int32)))


def decode(network: Network, payloads: list[bytes], sizes: list[tuple[int, int]], depth: int = 8) -> list[torch.Tensor]:
    return decode_tiles(network, payloads, sizes, depth, lambda _pixels: None)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    planes=st.sampled_from([1, 3]),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    content=st.sampled_from(sorted(CONTENTS)),
)
def test_random_networks_and_shapes(seed: int, planes: int, height: int, width: int, content: str) -> None:
    network = make_network(random_weights(planes, seed % 1000))
    tile = make_planes(seed, content, (planes, height, width))
    (out,) = decode(network, [encode_tile(network, tile, 8)], [(height, width)])
    assert torch.equal(out, tile)


@pytest.mark.parametrize("content", sorted(CONTENTS))
def test_real_networks_on_every_content(real_network: Network, content: str) -> None:
    tile = make_planes(1, content, (real_network.shape.planes, 13, 22))
    (out,) = decode(real_network, [encode_tile(real_network, tile, 8)], [(13, 22)])
    assert torch.equal(out, tile)


def test_a_tile_decodes_the_same_in_any_batch(real_network: Network) -> None:
    sizes = [(12, 16), (16, 16), (16, 5), (1, 16), (7, 1)]
    tiles = [make_planes(i, "ramp", (real_network.shape.planes, *size)) for i, size in enumerate(sizes)]
    payloads = [encode_tile(real_network, tile, 8) for tile in tiles]
    for out, tile in zip(decode(real_network, payloads, sizes), tiles, strict=True):
        assert torch.equal(out, tile)


@pytest.mark.parametrize("depth", [1, 4, 10, 12, 16])
def test_the_grey_network_codes_every_depth(depth: int) -> None:
    """AFC's promise: the same weights, 1 to 16 bits."""
    from hpac_cli.model.index import load_by_name

    network = make_network(load_by_name("grey"))
    rng = np.random.default_rng(depth)
    smooth = rng.integers(-3, 4, (1, 24, 24)).cumsum(1).cumsum(2) * (1 << depth) // 512 + (1 << depth) // 2
    tile = torch.from_numpy(smooth.clip(0, (1 << depth) - 1).astype(np.int32))
    (out,) = decode(network, [encode_tile(network, tile, depth)], [(24, 24)], depth)
    assert torch.equal(out, tile)


@pytest.mark.parametrize("backend", ["int8", "float32", "reference"])
def test_every_backend_writes_and_reads_the_same_bytes(backend: str, photograph: np.ndarray) -> None:
    from hpac_cli.model.index import load_by_name

    weights = load_by_name("rgb")
    samples = torch.from_numpy(photograph[100:124, 200:232].astype(np.int32)).permute(2, 0, 1)
    tile = to_planes(samples)
    plain = encode_tile(make_network(weights, "float32"), tile, 8)
    network = make_network(weights, backend)
    assert encode_tile(network, tile, 8) == plain
    (out,) = decode(network, [plain], [(24, 32)])
    assert torch.equal(from_planes(out), samples)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_thread_count_changes_nothing(threads: int, photograph: np.ndarray, real_network: Network) -> None:
    before = torch.get_num_threads()
    channels = real_network.shape.planes
    tile = to_planes(torch.from_numpy(photograph[:64, :64, :channels].astype(np.int32)).permute(2, 0, 1).contiguous())
    expected = encode_tile(real_network, tile, 8)
    try:
        torch.set_num_threads(threads)
        assert encode_tile(real_network, tile, 8) == expected
    finally:
        torch.set_num_threads(before)


def test_damaged_words_end_in_an_error_or_other_samples(real_network: Network) -> None:
    """The coder itself need not notice damage (checksums do), but it must end in order."""
    tile = make_planes(4, "noise", (real_network.shape.planes, 8, 8))
    payload = encode_tile(real_network, tile, 8)
    rng = np.random.default_rng(0)
    for _ in range(10):
        damaged = bytearray(payload)
        damaged[rng.integers(len(damaged))] ^= int(rng.integers(1, 256))
        try:
            (out,) = decode(real_network, [bytes(damaged)], [(8, 8)])
        except ContainerError:
            continue
        assert not torch.equal(out, tile)
