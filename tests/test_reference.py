"""The second decoder, written from docs/format.md alone, reads what the program writes."""

import numpy as np
import pytest
import torch
from conftest import CONTENTS
from reference.decoder import Tile, decode
from reference.decoder import Weights as PlainWeights

import hpac_cli
from hpac_cli.codec.networks import Networks
from hpac_cli.codec.tiles import encode_tile
from hpac_cli.model.files import weights_folder
from hpac_cli.training.planes import to_planes


@pytest.mark.parametrize("shape", [(10, 14, 3), (12, 9), (11, 8, 2), (9, 10, 4), (1, 1, 3), (1, 20), (20, 1, 3)])
def test_files_decode_to_the_same_samples(shape: tuple[int, ...], photograph: np.ndarray) -> None:
    array = np.resize(photograph[100 : 100 + shape[0], 200 : 200 + shape[1]], shape)
    (decoded,) = decode(hpac_cli.encode(array, tile=8), weights_folder())
    assert np.array_equal(decoded.reshape(shape), array)


@pytest.mark.parametrize("content", sorted(CONTENTS))
@pytest.mark.parametrize("name", ["rgb", "ycc", "grey"])
def test_tiles_decode_to_the_same_samples(content: str, name: str, networks: Networks) -> None:
    network = networks.by_digest(networks.digest(name))
    samples = CONTENTS[content](np.random.default_rng(2), (network.shape.planes, 9, 7)).astype(np.int32)
    data = encode_tile(network, to_planes(torch.from_numpy(samples)), 8)
    assert np.array_equal(Tile(PlainWeights(weights_folder() / f"{name}.safetensors"), 9, 7, 8, data).decode(), samples)


@pytest.mark.parametrize("depth", [1, 11, 16])
def test_deep_tiles_decode_to_the_same_samples(depth: int, networks: Networks) -> None:
    """With wild samples, so that refinement, plain bits and escapes all occur."""
    rng = np.random.default_rng(depth)
    smooth = rng.normal(0, 0.02, (1, 10, 10)).cumsum(2) + rng.choice([0.3, 0.5], (1, 10, 10), p=[0.1, 0.9])
    samples = (smooth.clip(0, 1) * ((1 << depth) - 1)).astype(np.int32)
    data = encode_tile(networks.by_digest(networks.digest("grey")), torch.from_numpy(samples), depth)
    assert np.array_equal(
        Tile(PlainWeights(weights_folder() / "grey.safetensors"), 10, 10, depth, data).decode(), samples
    )
