"""What networks are told of references: the twin's integers against a plain text of the specification, and their training."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from conftest import make_network

from hpac_cli.adapt.material import Material
from hpac_cli.codec.networks import Networks
from hpac_cli.container.fields import Frame, Part, Reference
from hpac_cli.errors import InputError
from hpac_cli.model.index import load_by_name
from hpac_cli.model.shape import Shape
from hpac_cli.model.tables import load_tables
from hpac_cli.model.window import num_features, reference_window
from hpac_cli.training.augment import Histories
from hpac_cli.training.config import Config, read_config
from hpac_cli.training.data import Source, read_channels
from hpac_cli.training.inputs import References
from hpac_cli.training.integers import from_integers
from hpac_cli.training.pool import Pool
from hpac_cli.training.refer import BANDS, SLICES, bring, fit, refer, refer_plainly
from hpac_cli.training.train import Trainer
from hpac_cli.training.twin import Hpac

SMALL = {"width": 16, "blocks": 1, "head": 16, "components": 2}
NET = Hpac(Shape(planes=1, references=2, **SMALL))


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


# the specification, pixel by pixel


def find_focus(plane: np.ndarray, y: int, x: int, depth: int) -> tuple[int, int]:
    """Base and level of one pixel, by docs/format.md, "Focus"."""

    def near(dy: int, dx: int) -> int | None:
        inside = y + dy >= 0 and 0 <= x + dx < plane.shape[1]
        return int(plane[y + dy, x + dx]) if inside else None

    w, n, nw, ne, ww, nn = (near(*at) for at in ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0)))
    if w is not None and n is not None and nw is not None:
        base = sorted((w, n, w + n - nw))[1]
    else:
        base = next((value for value in (w, n) if value is not None), 1 << (depth - 1))
    pairs = [abs(a - b) for a, b in ((w, nw), (n, nw), (ne, n), (w, ww), (n, nn)) if a is not None and b is not None]
    if not pairs:
        return base, min(20 + 4 * max(depth - 8, 0), 72)
    total = (2 + sum(pairs)) * (60 // len(pairs))
    return base, int((load_tables()["level_threshold"] <= total).sum())


def normalise(distance: int, level: int) -> int:
    tables = load_tables()
    index = min(abs(distance), int(tables["level_limit"][level])) * int(tables["level_reciprocal"][level])
    return int(np.sign(distance)) * int(tables["asinh"][min((index + (1 << 17)) >> 18, len(tables["asinh"]) - 1)])


def tell(plane: np.ndarray, references: list[np.ndarray | None], depth: int) -> np.ndarray:
    """Inputs that tell of references, (F, H, W); None for one that is absent."""
    height, width = plane.shape
    told = np.zeros((num_features(1, 2) - num_features(1), height, width), int)
    for y, x in np.ndindex(height, width):
        base, level = find_focus(plane, y, x, depth)
        values: list[int] = []
        for k, r in enumerate(references):
            if r is None:
                values += [0] * (len(reference_window(k)) + 3)
                continue
            rbase, rlevel = find_focus(r, y, x, depth)
            for dy, dx in reference_window(k):
                seen = r[min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)]
                values.append(normalise(int(seen) - rbase, level))
            values += [normalise(rbase - base, level), min(max(4 * (rlevel - level), -127), 127), 16]
        told[:, y, x] = values
    return told


def as_references(references: list[np.ndarray | None], like: np.ndarray) -> References:
    values = [np.zeros_like(like) if r is None else r for r in references]
    present = torch.tensor([[r is not None] for r in references])
    return References(torch.from_numpy(np.stack(values)[:, None].astype(np.int32)), present)


@pytest.mark.parametrize("depth", [8, 12, 16])
@pytest.mark.parametrize("absent", [set(), {0}, {1}])
def test_the_twin_is_told_what_the_specification_says(depth: int, absent: set[int]) -> None:
    random, top = rng(depth), 1 << depth
    plane, *others = (random.normal(top / 2, top / 2**i, (9, 11)).clip(0, top - 1).astype(int) for i in (3, 5, 1))
    references = [None if k in absent else other for k, other in enumerate(others)]
    planes = torch.from_numpy(plane.astype(np.int32))[None, None]
    inputs, _ = NET.inputs(planes, torch.full((1, 1, 1), depth, dtype=torch.int32), as_references(references, plane))
    assert np.array_equal(inputs[num_features(1) :, 0].numpy(), tell(plane, references, depth))


def test_what_is_absent_is_as_if_nothing_were_known_of_references() -> None:
    torch.manual_seed(1)
    planes, values = (torch.randint(0, 200, (n, 2, 12, 12), dtype=torch.int32) for n in (1, 2))
    nothing = References(values, torch.zeros(2, 2, dtype=torch.bool))
    everything = References(values, ~nothing.present)
    plain, absent, told = (NET(planes, 8, 1.0, references=r) for r in (None, nothing, everything))
    assert torch.equal(plain, absent)
    assert not torch.equal(plain, told)


# what tiles refer to


@pytest.fixture(scope="module")
def stack() -> np.ndarray:
    """Eight slices of 12 bits, each the one before and a little more."""
    slices = rng().integers(0, 40, (24, 32, 8)).cumsum(-1) + rng(2).integers(0, 2000, (24, 32, 1))
    return slices.astype(np.uint16)


def draw(tile: np.ndarray, kind: str, number: int = 300) -> list[np.ndarray]:
    return [refer(tile, kind, 2, Histories(), 16, rng(seed)) for seed in range(number)]


def test_slices_refer_to_slices_nearby_as_they_are(stack: np.ndarray) -> None:
    steps = []
    for drawn in draw(stack, SLICES):
        at = [[i for i in range(8) if np.array_equal(stack[..., i], drawn[..., c])] for c in range(drawn.shape[2])]
        if all(len(found) == 1 for found in at[:2]) and len(at) > 1:
            steps.append(abs(at[0][0] - at[1][0]))
    assert len(steps) > 50
    assert np.mean(np.array(steps) == 1) > 0.6
    assert max(steps) <= 3


def test_most_tiles_have_two_references_some_one_and_few_none(stack: np.ndarray) -> None:
    numbers = np.bincount([drawn.shape[2] - 1 for drawn in draw(stack, SLICES)]) / 300
    assert numbers == pytest.approx([0.05, 0.25, 0.7], abs=0.07)


def test_a_plane_and_its_references_have_one_history() -> None:
    """All slices are alike, so they stay so whatever befalls them."""
    alike = np.repeat(rng().integers(0, 4000, (16, 16, 1)).astype(np.uint16), 4, -1)
    drawn = [d for d in draw(alike, SLICES, 100) if d.shape[2] == 3]
    assert any(not np.array_equal(d[..., 0], alike[..., 0]) for d in drawn)
    assert np.mean([(d == d[..., :1]).all() for d in drawn]) > 0.9  # the others have a wrong one


def test_bands_are_brought_to_the_values_of_the_band() -> None:
    base = rng().integers(100, 1000, (32, 32))
    bands = np.stack([base, 3 * base + 500, 4000 - base], -1).astype(np.uint16)
    errors = [np.abs(d[..., 1:].astype(int) - d[..., :1]).mean() for d in draw(bands, BANDS, 100) if d.shape[2] > 1]
    assert np.median(errors) < 2


def test_a_fitted_line_is_found_and_kept_within_its_domain() -> None:
    other = rng().integers(0, 1000, (32, 32))
    gain, offset = fit(2 * other + 100, other)
    assert (gain, offset) == (2 << 12, 100)
    assert np.array_equal(bring(other, gain, offset, 12), 2 * other + 100)
    assert bring(other, gain, offset, 10).max() == 1023
    assert bring(other, -gain, 0, 10).max() == 0


def test_gains_round_to_the_nearest() -> None:
    assert bring(np.array([1, 3]), 2048, 0, 8).tolist() == [1, 2]  # half up, as docs/format.md has it


def test_measured_tiles_refer_to_those_before(stack: np.ndarray) -> None:
    assert np.array_equal(refer_plainly(stack, SLICES, 2, 4), stack[..., [4, 3, 2]])
    assert np.array_equal(refer_plainly(stack, SLICES, 2, 1), stack[..., [1, 0]])


# the pool


def test_batches_have_the_references_of_their_planes(stack: np.ndarray) -> None:
    config = Config("plain", 1, 10, [], crop=16, batch=40, shape=SMALL | {"references": 2})
    grey = rng().integers(0, 256, (24, 32)).astype(np.uint8)
    pool = Pool([Source([stack] * 8, [1.0] * 8, references=SLICES), Source([grey], [8.0])], config, torch.device("cpu"))
    pool.seek(0)
    planes, depth, references = pool.batch()
    assert references is not None
    assert set(references.present.sum(0)[depth == 8].tolist()) == {0}
    both = references.present.all(0)
    assert 0 < both.sum() <= (depth > 8).sum()
    apart = (references.values[0] - planes[0])[both].abs().float().mean()  # turned alike
    assert apart < 0.2 * planes[0][both].float().std()


# packs


def write_pack(path: Path, files: dict[str, np.ndarray], **options: object) -> None:
    with zipfile.ZipFile(path, "w") as pack:
        for name, samples in files.items():
            file = io.BytesIO()
            tifffile.imwrite(file, samples, photometric="minisblack", **options)
            pack.writestr(name, file.getvalue())


def test_pages_and_planes_become_channels_that_count_from_their_lowest(tmp_path: Path) -> None:
    planes = rng().integers(-300, 300, (4, 20, 30)).astype(np.int16) + np.arange(4, dtype=np.int16)[:, None, None] * 500
    write_pack(tmp_path / "pages.zip", {"a.tif": planes})
    write_pack(tmp_path / "planes.zip", {"a.tif": planes.astype(np.float32)}, planarconfig="separate")
    (slices,), (bands,) = read_channels(tmp_path / "pages.zip", SLICES), read_channels(tmp_path / "planes.zip", BANDS)
    wide = np.moveaxis(planes.astype(int), 0, -1)
    assert (slices.dtype, bands.dtype) == (np.uint16, np.uint16)
    assert np.array_equal(slices, wide - wide.min())
    assert np.array_equal(bands, wide - wide.min((0, 1)))


def test_fractions_are_left_out(tmp_path: Path) -> None:
    planes = rng().random((3, 20, 30)).astype(np.float32)
    write_pack(tmp_path / "pack.zip", {"a.tif": planes, "b.tif": (100 * planes).astype(np.uint8)})
    (read,) = read_channels(tmp_path / "pack.zip", SLICES)
    assert read.dtype == np.uint8


# training


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stacks of noise that moves little from slice to slice."""
    folder = tmp_path_factory.mktemp("stacks")
    stacks = {}
    for i in range(13):
        first = rng(i).integers(0, 1000, (1, 40, 40))
        stacks[f"{i:02}.tif"] = (first + rng(i + 50).integers(0, 4, (6, 40, 40))).astype(np.uint16)
    write_pack(folder / "stacks.zip", stacks)
    return folder


def make_config(references: int = 2, **settings: object) -> Config:
    source = {"packs": ["stacks.zip"], "weight": 1.0} | ({"references": SLICES} if references else {"rgb": False})
    shape = SMALL | {"references": references}
    return Config("small", 1, 40, [source], crop=48, shape=shape, warmup=10, **settings)  # type: ignore[arg-type]


def test_references_help_once_they_are_trained_with(data: Path) -> None:
    trainer = Trainer(make_config(learning_rate=1e-2), data, "cpu")
    for _ in range(40):
        trainer.step()
    trainer.average = dict(trainer.net.state_dict())
    told, untold = trainer.evaluate(quantise=True)
    assert told < untold - 0.5


def test_new_references_begin_with_no_effect(data: Path) -> None:
    torch.manual_seed(1)
    before, trainer = Hpac(Shape(planes=1, **SMALL)), Trainer(make_config(), data, "cpu")
    trainer.start_from({"average": before.state_dict()})
    planes, values = (torch.randint(0, 200, (n, 2, 12, 12), dtype=torch.int32) for n in (1, 2))
    told = trainer.net(planes, 8, 1.0, references=References(values, torch.ones(2, 2, dtype=torch.bool)))
    assert torch.equal(told, before(planes, 8, 1.0))


def test_an_update_with_references_mixes_no_devices(data: Path) -> None:
    trainer = Trainer(make_config(), data, "meta")
    trainer.pool.seek(0)
    trainer._update()


@pytest.mark.parametrize(
    ("line", "words"),
    [("references = 'pages'", "slices or bands"), ("shape = {references = 0}", "a network that has some")],
)
def test_references_that_cannot_be_are_told(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "odd.toml"
    source = "[[sources]]\npacks = ['a.zip']\nweight = 1.0\n"
    where = (line, source + "references = 'slices'") if "shape" in line else ("", source + line)
    path.write_text(f'name = "odd"\nlike = "grey-small"\n{where[0]}\n{where[1]}\n')
    with pytest.raises(InputError, match=words):
        read_config(str(path))


def test_small_stacks_are_filled_with_their_mirror_image(data: Path) -> None:
    (source,) = Trainer(make_config(), data, "cpu").sources
    assert {tile.shape for tile in source.tiles} == {(48, 48, 6)}
    assert all(np.array_equal(tile[40:], tile[32:40][::-1]) for tile in source.tiles)
    assert all(np.array_equal(tile[:, 40:], tile[:, 32:40][:, ::-1]) for tile in source.tiles)


def test_the_grey_config_holds_the_same_photographs_out_of_all_its_sources() -> None:
    photographs, *_, channels = read_config("grey-small").sources
    assert channels["packs"][: len(photographs["packs"])] == photographs["packs"]
    assert photographs["rgb"]
    assert channels["rgb"]


def test_every_plane_of_a_stack_has_a_slot(data: Path) -> None:
    (source,) = Trainer(make_config(), data, "cpu").sources
    assert (len(source.tiles), len(source.held_out)) == (11 * 6, 2)
    assert sum(source.shares) == pytest.approx(1)


# adapting


def test_an_adapter_is_trained_and_measured_with_the_references_of_its_parts(photograph: np.ndarray) -> None:
    """The twin's code length of a crop that is a whole tile, against what the integers take."""
    weights, networks = load_by_name("grey-small"), Networks()
    digest, crop = weights.digest(), photograph[100:140, 200:260, 1:2]
    images = [crop, (crop.astype(int) * 3000 // 4096 + 20 + rng().integers(0, 3, crop.shape)).astype(np.uint8)]
    part = Part(1, 8, digest, orientation=6)
    frames = [Frame(60, 40, "u1", 64, (replace(part, references=r),)) for r in ((), (Reference(1, 0, 3000, 20),))]
    material, net = Material(images, frames, digest), Hpac(weights.shape)
    net.load_state_dict(from_integers(weights)[0])
    place = material.places[1]
    crop = material.crop(place, 0.5, 0.5, 64)
    with torch.no_grad():
        estimate = net(crop.planes, crop.bit_depth, True, references=crop.references).sum().item()
    assert 8 * material.measure(place, networks, digest) == pytest.approx(estimate, rel=0.01)
    untold = Material(images, frames[:1] * 2, digest).measure(place, networks, digest)
    assert abs(8 * untold - estimate) > 0.05 * estimate


@pytest.mark.parametrize("count", [0, 1, 2])
def test_the_twin_sees_references_as_the_core_does(count: int, photograph: np.ndarray) -> None:
    """Code lengths of a shipped network, estimated by the twin and measured by the core."""
    weights = load_by_name("grey-small")
    samples = photograph[64:128, 64:160].astype(np.int32)
    told = tuple(np.ascontiguousarray(samples[..., channel]) for channel in range(count))
    planes = torch.from_numpy(samples[..., 2].copy())[None, None]
    values = torch.from_numpy(np.stack([*told, samples[..., 1], samples[..., 1]][:2]))[:, None]
    net = Hpac(weights.shape)
    net.load_state_dict(from_integers(weights)[0])
    with torch.no_grad():
        references = References(values, torch.tensor([[k < count] for k in range(2)]))
        estimate = float(net(planes, 8, True, references=references).sum())
    measured = make_network(weights).coder.measure(samples[..., 2:], 8, references=told).sum()
    assert measured == pytest.approx(estimate, rel=0.005)
