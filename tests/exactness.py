"""Cases that every unit of the core must answer alike, wherever and by whatever it was compiled.

Golden hashes of the answers lie in tests/core/exactness.txt, a line a case. After a change of the format:

    python tests/exactness.py        # writes them anew, from plain C
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from hpac_cli.core import TileCoder
from hpac_cli.model.index import load_by_name
from hpac_cli.model.layers import layer_table
from hpac_cli.model.pack import Packed, packed, packed_tables
from hpac_cli.model.shape import Shape

TESTS = Path(__file__).parent
GOLDEN = TESTS / "core" / "exactness.txt"

Numbers = NDArray[np.int64]
Maker = Callable[[int, int, int, int, int], Numbers]
"""Seed, planes, height, width and depth to samples."""


@dataclass(frozen=True)
class Picture:
    """A tile: samples (H, W, P) below 2**depth."""

    name: str
    depth: int
    samples: NDArray[np.int32]
    edges: NDArray[np.int32] | None = None
    """Of cells of values, (P, 2**depth + 1)."""
    references: tuple[NDArray[np.int32], ...] = ()
    """(H, W) each."""
    repeats: bool = False
    """Whether far repetition is looked for."""


@dataclass(frozen=True)
class Case:
    """A network, and pictures for it."""

    name: str
    network: Packed
    pictures: tuple[Picture, ...]


def draw(seed: int, count: int, low: int, high: int) -> Numbers:
    """Numbers from low to high, the same in every version of numpy (SplitMix64)."""
    x = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x += np.uint64(seed * 0x5851F42D4C957F2D % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return low + ((x >> np.uint64(33)) % np.uint64(high - low + 1)).astype(np.int64)


def random_network(seed: int, shape: Shape) -> Packed:
    """Integers that no training made; a fifth of the weights are extreme, so that saturating sums are found out."""
    table = layer_table(shape)
    inputs = np.concatenate([np.full(row.outputs, row.inputs) for row in table])
    num_weights, num_outputs = int(inputs.sum()), len(inputs)
    small, extreme = draw(seed, num_weights, -16, 16), 254 * draw(seed + 1, num_weights, 0, 1) - 127
    weights = np.where(draw(seed + 2, num_weights, 0, 4) == 0, extreme, small)
    usual = 3 + np.log2(inputs).astype(np.int64) // 2 + draw(seed + 3, num_outputs, 0, 3)
    odd = 22 * draw(seed + 4, num_outputs, 0, 1)
    shifts = np.where(draw(seed + 5, num_outputs, 0, 20) == 0, odd, usual)
    return Packed(
        shape.packed(),
        weights.astype(np.int8),
        draw(seed + 6, num_outputs, -4000, 4000).astype(np.int32),
        shifts.astype(np.int32),
    )


def smooth(seed: int, planes: int, height: int, width: int, depth: int) -> Numbers:
    y, x, p = np.indices((height, width, planes))
    ramp = (y * 5 + x * 3 + p * 11) * 2**depth // 128 + draw(seed, y.size, 0, 3).reshape(y.shape)
    return np.minimum(ramp % 2 ** (depth + 1), 2 ** (depth + 1) - 1 - ramp % 2 ** (depth + 1))


def noise(seed: int, planes: int, height: int, width: int, depth: int) -> Numbers:
    return draw(seed, height * width * planes, 0, 2**depth - 1).reshape(height, width, planes)


def extremes(seed: int, planes: int, height: int, width: int, depth: int) -> Numbers:
    return noise(seed, planes, height, width, 1) * (2**depth - 1)


PICTURES = (
    *((smooth, 8, 17, 23), (noise, 8, 9, 14), (extremes, 16, 6, 9)),
    *((smooth, 3, 12, 7), (noise, 12, 5, 7), (smooth, 8, 1, 1), (smooth, 14, 29, 1)),
    *((noise, 1, 10, 11), (extremes, 8, 6, 5), (smooth, 12, 11, 8)),
    *((noise, 16, 8, 9), (smooth, 16, 9, 13), (extremes, 12, 7, 6), (noise, 10, 1, 37)),
)
"""How they are made, bit depth, height, width. Half of them are enough for a network."""
HALF = len(PICTURES) // 2


def made_pictures(seed: int, planes: int, kinds: Iterable[tuple[Maker, int, int, int]]) -> Iterator[Picture]:
    """Pictures of these kinds."""
    for make, depth, height, width in kinds:
        samples = make(seed, planes, height, width, depth).astype(np.int32)
        name = f"{make.__name__}, {depth} bit{'s' * (depth > 1)}, {height} x {width}"
        yield Picture(name, depth, np.ascontiguousarray(samples))


def with_cells(seed: int, pictures: Iterable[Picture]) -> Iterator[Picture]:
    """The same with cells of all widths, many of them empty; in turn, one plane has none."""
    for number, picture in enumerate(pictures):
        planes, count = picture.samples.shape[2], (1 << picture.depth) + 1
        shifts = draw(seed + number, planes * count, -256, 256).reshape(planes, count)
        if planes > 1:
            shifts[number % planes] = 0
        edges = np.maximum.accumulate(64 * np.arange(count) - 32 + shifts, axis=1).astype(np.int32)
        yield replace(picture, name=f"{picture.name}, cells", edges=edges)


def with_references(seed: int, pictures: Iterable[Picture]) -> Iterator[Picture]:
    """The same with one or two planes that they are nearly made of."""
    for number, picture in enumerate(pictures):
        plane, highest = picture.samples[..., 0], (1 << picture.depth) - 1
        changes = draw(seed + number, 2 * plane.size, -1, 1).reshape(2, *plane.shape)
        references = np.clip(plane + changes * (1, 40)[number % 2], 0, highest).astype(np.int32)
        count = 1 + number % 3 % 2
        yield replace(picture, name=f"{picture.name}, references: {count}", references=tuple(references[:count]))


def repeated(seed: int, planes: int, height: int, width: int, depth: int) -> Numbers:
    """A few rows of noise, again and again, each time a little other."""
    again = np.resize(noise(seed, planes, 5, 11, depth), (height, width, planes))
    return np.minimum(again + draw(seed + 1, again.size, 0, 1).reshape(again.shape), 2**depth - 1)


REPEATED = (
    (repeated, 8, 31, 40),
    (repeated, 12, 17, 22),
    (repeated, 16, 12, 26),
    (smooth, 8, 14, 19),
    (noise, 1, 24, 24),
)


def with_repeats(pictures: Iterable[Picture]) -> Iterator[Picture]:
    """The same where far repetition is looked for."""
    for picture in pictures:
        yield replace(picture, name=f"{picture.name}, repeats", repeats=True)


def photograph(planes: int) -> Picture:
    """A piece of a real one."""
    samples = np.asarray(PillowImage.open(TESTS / "data" / "kodim23.png"))[60:74, 100:124, :planes]
    return Picture("photograph, 8 bits, 14 x 24", 8, np.ascontiguousarray(samples, np.int32))


def make_cases() -> tuple[Case, ...]:
    """Widths with groups of 16, 32 and 64 outputs; windows of 1 to 3 rows; 1 and 3 planes; with and without context.

    One picture has wavefronts longer than the 64 pixels that go through the network together.
    """
    small = Shape(planes=1, width=16, blocks=1, expand=1, rows=1, head=16, components=1)
    groups = Shape(planes=3, width=112, blocks=1, expand=1, rows=2, head=48, components=3, context=16, context_places=2)
    deep = Shape(planes=1, width=48, blocks=3, expand=2, rows=3, head=80, components=8, context=112, context_places=6)
    wide = Shape(planes=3, width=64, blocks=1, expand=4, rows=3, head=16, components=5)
    told = Shape(planes=1, width=32, blocks=1, rows=2, head=32, components=3, context=16, references=2)
    grey, rgb = (packed(load_by_name(name)) for name in ("grey-medium", "rgb-small"))
    return (
        Case("small", random_network(100, small), tuple(made_pictures(1, 1, (*PICTURES, (smooth, 8, 66, 131))))),
        Case("groups", random_network(200, groups), tuple(made_pictures(2, 3, PICTURES[:HALF]))),
        Case("deep", random_network(300, deep), tuple(made_pictures(3, 1, PICTURES[HALF:]))),
        Case("wide", random_network(400, wide), tuple(made_pictures(4, 3, PICTURES[HALF:]))),
        Case("grey", grey, (photograph(1), *made_pictures(5, 1, PICTURES[1:HALF:2]))),
        Case("rgb", rgb, (photograph(3), *made_pictures(6, 3, PICTURES[HALF + 1 :: 2]))),
        Case("small", random_network(500, small), tuple(with_cells(1, made_pictures(7, 1, PICTURES[::2])))),
        Case("wide", random_network(600, wide), tuple(with_cells(2, made_pictures(8, 3, PICTURES[1::2])))),
        Case("told", random_network(700, told), tuple(with_references(1, made_pictures(10, 1, PICTURES)))),
        Case("grey", grey, tuple(with_references(2, (photograph(1), *made_pictures(11, 1, PICTURES[::4]))))),
        Case("rgb", rgb, tuple(with_cells(3, (photograph(3), *made_pictures(9, 3, PICTURES[1:HALF:3]))))),
        Case("rgb", rgb, tuple(with_repeats((photograph(3), *made_pictures(12, 3, REPEATED))))),
        Case("wide", random_network(400, wide), tuple(with_repeats(with_cells(4, made_pictures(13, 3, REPEATED))))),
        Case(
            "told", random_network(700, told), tuple(with_repeats(with_references(3, made_pictures(14, 1, REPEATED))))
        ),
        Case("deep", random_network(300, deep), tuple(with_repeats(made_pictures(15, 1, REPEATED[:3])))),
    )


def write_cases(cases: Sequence[Case], path: Path) -> None:
    """Write the file that tests/core/exactness.c reads."""

    def put(numbers: NDArray[np.integer]) -> bytes:
        return np.concatenate([[numbers.size], numbers.ravel()]).astype("<i4").tobytes()

    with path.open("wb") as file:
        file.write(put(packed_tables()))
        for case in cases:
            network = case.network
            for numbers in (network.shape, network.weights, network.biases, network.shifts):
                file.write(put(numbers))
            for picture in case.pictures:
                edges = np.array([], np.int32) if picture.edges is None else picture.edges
                size = np.array([*picture.samples.shape[:2], picture.depth, picture.repeats])
                references = np.array(picture.references, np.int32)
                file.write(put(size) + put(edges) + put(references) + put(picture.samples))
            file.write(put(np.array([], np.int32)))


def names(cases: Sequence[Case]) -> list[str]:
    """What each case is, in order."""
    return [f"{case.name}: {picture.name}" for case in cases for picture in case.pictures]


def combined(numbers: Sequence[int]) -> str:
    """The hash of core/trace.h."""
    found = 0xCBF29CE484222325
    for number in numbers:
        found = (found ^ number) * 0x100000001B3 % 2**64
    return f"{found:016x}"


def answers(cases: Sequence[Case], unit: str) -> list[str]:
    """What a unit of the installed core says of every case: hashes of its words, code lengths and layers.

    Raises:
        AssertionError: it decodes other samples.
    """
    tables, found = packed_tables(), []
    for case in cases:
        coder = TileCoder(case.network, tables, unit)
        for picture in case.pictures:
            known = (picture.depth, picture.edges, picture.references)
            words = coder.encode(picture.samples, *known, repeats=picture.repeats)
            decoded = coder.decode(words, *picture.samples.shape[:2], *known, repeats=picture.repeats)
            assert np.array_equal(decoded, picture.samples)
            lengths = coder.measure(picture.samples, *known, repeats=picture.repeats) * 2**16
            hashes = (
                combined(np.frombuffer(words, "<u4").tolist()),
                combined(lengths.astype(np.int64).ravel().tolist()),
                combined(coder.trace(picture.samples, picture.depth, picture.references)),
            )
            found.append(" ".join(hashes))
    return found


def golden() -> list[str]:
    """Lines of the golden file: hashes of words, code lengths and layers, then the case's name."""
    return GOLDEN.read_text().splitlines()


def with_names(found: Sequence[str], cases: Sequence[Case]) -> list[str]:
    """Answers as lines of the golden file."""
    return [f"{answer} {name}" for answer, name in zip(found, names(cases), strict=True)]


if __name__ == "__main__":
    every = make_cases()
    GOLDEN.write_text("\n".join(with_names(answers(every, "plain"), every)) + "\n")
