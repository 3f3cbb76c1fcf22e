"""docs/format.md says what the code does: its tables and limits are held against the tables and limits of the code."""

import itertools
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpac_cli.codec.colours import _CONVERSIONS
from hpac_cli.container import fields, members
from hpac_cli.container.fields import Coding, Colours, Kind, Packing, TileMode
from hpac_cli.kept import Kept
from hpac_cli.limits import Limits
from hpac_cli.model import shape, tables
from hpac_cli.model.decimal_tables import make_tables
from hpac_cli.model.layers import layer_table
from hpac_cli.model.shape import Shape
from hpac_cli.model.window import WINDOW, causal_offsets

TEXT = (Path(__file__).parents[1] / "docs" / "format.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """What stands under a heading, up to the next one."""
    (found,) = re.findall(rf"(?ms)^#+ (?:\d+\. )?{re.escape(title)}\n(.*?)(?=^#+ |\Z)", TEXT)
    return str(found)


def rows_below(title: str, first: str) -> list[list[str]]:
    """The rows of the table in a section whose head begins with this cell."""
    for table in re.findall(r"(?m)(?:^\|.*\n)+", section(title)):
        head, _, *rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.splitlines()]
        if head[0] == first:
            return rows
    raise LookupError(f"{title} has no table of {first}")


def field(title: str, name: str) -> str:
    """What a table of fields says of one of them."""
    (found,) = (
        row[-1]
        for first in ("field", "column")
        if f"\n| {first} |" in section(title)
        for row in rows_below(title, first)
        if row[0].removeprefix("then for each part: ").removeprefix("then for each reference: ") == name
    )
    return found


def numbered(words: str) -> dict[int, str]:
    """Entries as "0 none; 1 raw samples, as the user said; 2, 3 others", number to words."""
    found: dict[int, str] = {}
    for entry in words.strip(" .").split("; "):
        numbers, name = re.fullmatch(r"((?:\d+, )*\d+) (.*)", entry, re.S).groups()  # type: ignore[union-attr]
        found |= dict.fromkeys(map(int, numbers.split(", ")), " ".join(name.split()))
    return found


def calculate(formula: str, **values: Any) -> Any:
    """Evaluate a formula of the document: `a (Y - o) + 2^(s - 1)`, `(L + 18215 V) div 10000`, `round(64 s)`."""
    formula = re.sub(r"\b(\d+)(?=[a-z]\b)", r"\1 ", formula.replace("div", "//").replace("^", "**"))
    return eval(re.sub(r"(?<=[\w)]) (?=[\w(])", " * ", formula), {"__builtins__": {}}, values)  # noqa: S307 of our own text


def assert_says(text: str, *phrases: str) -> None:
    joined = " ".join(text.split())
    for phrase in phrases:
        assert phrase in joined, phrase


def test_the_file_begins_as_described() -> None:
    signature = " ".join(f"{byte:02X}" for byte in fields.SIGNATURE)
    assert rows_below("Container", "bytes")[:3] == [
        [f"{len(fields.SIGNATURE)}", f"signature `{signature}`"],
        ["1", f"major version, {fields.VERSION_MAJOR}"],
        ["1", f"minor version, {fields.VERSION_MINOR}"],
    ]


def test_chunk_types() -> None:
    assert dict(re.findall(r"(?m)^### ([A-Z]): (\w+)$", TEXT)) == {
        fields.HEADER.decode(): "header",
        fields.MEMBERS.decode(): "series",
        fields.METADATA.decode(): "metadata",
        fields.PIECE.decode(): "piece",
        fields.ADAPTER.decode(): "adapter",
        fields.FRAME.decode(): "frame",
        fields.TILE.decode(): "tile",
        fields.END.decode(): "end",
    }


def test_sizes_of_chunks_and_adapters() -> None:
    log = int(math.log2(fields.MAX_CHUNK_BYTES))
    assert_says(section("Container"), f"length of the payload, at most 2^{log} ", f"at most {fields.MAX_ADAPTERS} `A`")


def test_source_kinds() -> None:
    kinds = numbered(field("H: header", "Source_Kind"))
    assert {number: words.split(",")[0].split(":")[0] for number, words in kinds.items()} == {
        Kind.ARRAY_2D: "array (H",
        Kind.ARRAY: "array (H",
        Kind.PNG: "PNG",
        Kind.TIFF: "TIFF",
        Kind.DICOM: "DICOM",
        Kind.ARRAY_FRAMES: "array (N",
        Kind.FILE: "any other file",
        Kind.PNM: "PNM or PAM",
        Kind.BMP: "BMP",
        Kind.NPY: ".npy",
        Kind.RAW: "raw samples",
        Kind.SERIES: "a series",
    }
    assert set(kinds) == set(Kind)


def test_reasons_why_samples_are_kept() -> None:
    words = " ".join(section("H: header").partition("Kept only informs: ")[2].split())
    words = re.sub(r"\. (The others name|And of)[^:]*: ", "; ", words)
    names = numbered(words)
    assert set(names) == set(Kept)
    compressions = {n: re.sub(r"[ -]", "_", name.removeprefix("lossless ").upper()) for n, name in names.items()}
    for kept in range(Kept.FAX, Kept.BESIDE):
        assert compressions[kept] == Kept(kept).name
    assert_says(field("H: header", "Identical + 2 Kept"), f"Kept: 0 to {fields.MAX_KEPT - 1},")


def test_suffixes() -> None:
    allowed = {code for code in range(256) if fields.SUFFIX_BYTES.fullmatch(bytes([46, code]))}
    found = re.search(
        r"1 to (\d+) bytes, each (\d+) to (\d+), but none of `(.*)` and (\d+)$", field("H: header", "Source_Suffix")
    )
    assert found is not None
    longest, first, last, but, other = found.groups()
    assert allowed == set(range(int(first), int(last) + 1)) - set(map(ord, but.replace(" ", ""))) - {int(other)}
    assert fields.SUFFIX_BYTES.fullmatch(b"." + b"a" * int(longest))
    assert not fields.SUFFIX_BYTES.fullmatch(b"." + b"a" * (int(longest) + 1))


def test_names_of_members() -> None:
    assert_says(
        field("S: series", "Name"),
        f"parts of 1 to {members.MAX_PART_BYTES} bytes",
        f"at most {members.MAX_PARTS}, {members.MAX_NAME_BYTES} bytes in all",
    )


def test_packings() -> None:
    words = section("M: metadata").partition("packed: ")[2].partition(" with a dictionary")[0]
    names = {number: name.replace("\n", " ") for number, name in numbered(words).items()}
    assert names == {
        Packing.STORED: "as it is",
        Packing.ZLIB: "a zlib stream (RFC 1950)",
        Packing.LZMA: "a raw LZMA2 stream",
    }
    assert set(names) == set(Packing)


def test_what_may_be_unpacked() -> None:
    free, growth = fields.most_unpacked(0), fields.most_unpacked(1 << 40) >> 40
    assert_says(section("M: metadata"), f"more than {free >> 20} MiB takes", f"at least a {growth}th of its size")
    assert_says(section("P: piece"), f"the larger of {free >> 20} MiB and {growth} times the payloads")
    assert field("P: piece", "Size").endswith(f"1 to 2^{int(math.log2(fields.MAX_PIECE_BYTES))}")


def test_sample_types() -> None:
    words = field("F: frame", "Sample_Type")
    last, names = re.match(r"0 to (\d+): ([^:]*):", words).groups()  # type: ignore[union-attr]
    assert tuple(names.split(", ")) == fields.SAMPLE_TYPES
    assert int(last) == len(fields.SAMPLE_TYPES) - 1


def test_codings() -> None:
    assert numbered(field("F: frame", "Coding")) == {
        Coding.CONSTANT: "constant",
        Coding.NETWORK: "network",
        Coding.BYTES: "bytes",
        Coding.LUMA_CHROMA: "network, luma and chroma",
    }
    assert len(Coding) == 4


def test_limits_of_frames() -> None:
    limits, log = Limits(), math.log2
    for name, phrase in {
        "Width, Height": f"1 to 2^{log(limits.max_side):.0f} each",
        "Tile": f"even, 8 to {fields.MAX_TILE}; to {fields.MAX_BYTES_TILE} if no part has Coding 1 or 3",
        "Num_Parts": f"1 to {limits.max_channels}",
        "Channels": f"in all parts at most {limits.max_channels}",
        "Bit_Depth": f"Coding 1: 1 to {fields.MAX_CODED_BITS},",
        "Offset": f"-2^{log(fields.MAX_WHOLE):.0f} to 2^{log(fields.MAX_WHOLE):.0f}",
        "Colours": f"1 to {max(Colours)} ",
        "Cells": f"empty if Bit_Depth is above {fields.MAX_CELL_BITS}",
        "Num_References": f"0 to {fields.MAX_REFERENCES},",
        "Gain, Offset": f"each above -2^{log(fields.MAX_GAIN):.0f} and below 2^{log(fields.MAX_GAIN):.0f}",
    }.items():
        rows = rows_below("F: frame", "field")
        assert any(phrase in row[-1] for row in rows if row[0].split(": ")[-1] == name), (name, phrase)


def test_tile_modes() -> None:
    words = field("T: tile", f"Mode + {fields.MODES} Orientation")
    modes, orientations = re.match(r"Mode: (.*)\. Orientation: (.*)", words).groups()  # type: ignore[union-attr]
    assert numbered(modes) == {
        TileMode.NETWORK: "network",
        TileMode.DEFLATE: "deflate",
        TileMode.LZMA: "LZMA",
        TileMode.LZMA_LEFT: "LZMA of differences",
        TileMode.STORED: "stored",
        TileMode.WEBP: "WebP",
        TileMode.LZMA_UP: "LZMA of differences",
        TileMode.LZMA_BOTH: "LZMA of differences",
        TileMode.LUMA_CHROMA: "network, luma and chroma",
    }
    assert set(numbered(modes)) == set(TileMode)
    turned = " and ".join(str(int(mode)) for mode in fields.NETWORK_MODES)
    assert orientations == f"0 to {fields.ORIENTATIONS - 1} in modes {turned}, else 0"


def test_lengths_of_hashes() -> None:
    assert_says(
        section("E: end"),
        f"the first {fields.HASH_BYTES[0]} bytes; then",
        f"fewer than {fields.TINY_BYTES} bytes, the first {fields.TINY_HASH_BYTES[0]} bytes of either",
        f"else all {fields.HASH_BYTES[1]};",
    )


FORMULAS = {
    number: row[1:]
    for row in rows_below("Colours", "Colours")
    if "s" not in row[1:3]
    for span in row[0].split(", ")
    for number in range(int(span.split(" to ")[0]), int(span.split(" to ")[-1]) + 1)
}
"""Colours to the formulas of L, R, G, B."""


def coefficients() -> dict[int, dict[str, int]]:
    """Colours to the numbers in its row of the second table."""
    table = section("Colours").partition("| Colours | whose RGB it is |")[2]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:] if line[:1] == "|"]
    return {int(row[0]): {k: int(v) for k, v in zip("soabdef", row[2:], strict=True) if v} for row in rows}


def test_all_colours_are_described() -> None:
    assert set(FORMULAS) == set(coefficients()) == set(Colours) - {Colours.NONE} == set(_CONVERSIONS)


@pytest.mark.parametrize("colours", sorted(FORMULAS))
def test_colours_are_made_as_described(colours: int) -> None:
    said = re.search(rf"\b(?:for )?{colours} ([uv] = [^;]*); (?:for|and)", " ".join(section("Colours").split()))
    more = dict(part.split(" = ") for part in said[1].split(", ")) if said else {}
    assert len(more) == {Colours.PHOTO_CD: 2, Colours.WEBP: 4}.get(Colours(colours), 0)
    triples = np.random.default_rng(0).integers((0, -255, -255), 256, (100_000, 3)).astype(np.int32)
    y, u, v = triples.T  # enough that a factor that is wrong by 1 changes a sum
    values: dict[str, Any] = {"Y": y, "U": u, "V": v, **coefficients()[colours]}
    values |= {name: calculate(formula, **values) for name, formula in more.items()}
    luma, *rgb = FORMULAS[colours]
    values["L"] = calculate(luma, **values)
    made = _CONVERSIONS[Colours(colours)].to_rgb(y, u, v)
    for formula, expected in zip(rgb, made, strict=True):
        assert np.array_equal(calculate(formula, **values), expected), formula


def test_ranges_of_shapes() -> None:
    for name, _, words in rows_below("Weights", "number"):
        least, most, step = shape._RANGES[name.strip("`")]
        said = f"{least} or {most}" if step == most - least else f"{least} to {most}"
        said += f", a multiple of {step}" if step > 2 else ""
        assert words.partition(";")[0] == said, name
    assert [row[0].strip("`") for row in rows_below("Weights", "number")] == list(shape._RANGES)


SHAPES = (
    Shape(3, 32, 2, 2, 1, 48, 3, 32, 2),
    Shape(3, 64, 3, 2, 2, 64, 5),
    Shape(1, 128, 4, 3, 3, 128, 5, 128, 2, 2),
    Shape(1, 16, 1, 1, 2, 16, 1, 16, 0, 1),
    Shape(1, 16, 1, 1, 2, 16, 1, 0, 0, 0),
)


@pytest.mark.parametrize("sizes", SHAPES)
def test_layers_and_their_sizes(sizes: Shape) -> None:
    letters = {row[1]: getattr(sizes, row[0].strip("`")) for row in rows_below("Weights", "number")}
    taps = len(causal_offsets(sizes.rows, sizes.rows, centre=True))

    def expand(name: str, outputs: str, inputs: str) -> list[tuple[str, int, int]]:
        repeated = {"b": range(sizes.blocks), "p": range(sizes.planes)}
        (variable,) = re.findall(r"\.([bp])\.", name) or [""]
        found = []
        for index in repeated.get(variable, range(1)):
            known = letters | {variable: index} if variable else letters
            words, *additions = inputs.replace("taps of the window with R rows", str(taps)).split(", and ")
            size = calculate(words, **known)
            for addition in additions:  # "28 if G is 1, 40 if it is 2"
                more = dict(reversed(part) for part in re.findall(r"(\d+) if (?:G|it) is (\d)", addition))
                size += int(more.get(str(sizes.references), 0))
            found.append((name.replace(f".{variable}.", f".{index}."), calculate(outputs, **known), size))
        return found

    listed = [(row[0].partition(".")[0], expand(*row)) for row in rows_below("Weights", "layer")]
    in_order: list[tuple[str, int, int]] = []
    for room, some in itertools.groupby(listed, key=lambda entry: entry[0]):
        if room != "context" or sizes.context:
            in_order += itertools.chain.from_iterable(zip(*(layers for _, layers in some), strict=True))
    assert in_order == [(layer.name, layer.outputs, layer.inputs) for layer in layer_table(sizes)]


def test_shifts_of_adapters_biases() -> None:
    exponents = {layer.name: layer.bias_exponent for layer in layer_table(SHAPES[0]) if layer.adapts}
    said = re.search(r"with s = (-?\d+) for (.*?), (-?\d+) for (.*?), (-?\d+) for all others", section("Adapters"))
    assert said is not None
    high, names, low, heads, rest = said.groups()
    for name, exponent in exponents.items():
        plain = re.sub(r"\.\d+\.", ".b." if name.startswith("blocks") else ".p.", name)
        expected = high if plain in re.split(r", | and ", names) else low if plain == heads else rest
        assert exponent == int(expected), name


def test_tables_of_integers() -> None:
    rows = rows_below("Tables", "name")
    assert [(row[0], int(row[2])) for row in rows] == list(tables.TABLE_LENGTHS.items())
    assert f"`{tables.TABLES_SHA256}`" in section("Tables")


FUNCTIONS = {"round": lambda x: math.floor(x + 0.5), "min": min, "asinh": math.asinh, "exp": math.exp}
LETTERS = {"level": ("s", "2^(i/4 - 1)"), "spread": ("t", "2^(i/16 - 4)")}
"""What the formulas of several tables name once."""


@pytest.mark.parametrize("row", rows_below("Tables", "name"), ids=lambda row: row[0])
def test_entries_are_the_formulas_of_the_document(row: list[str]) -> None:
    formula, _, ends = row[1].partition("; ")
    table = make_tables()[row[0]]
    letter, power = LETTERS.get(row[0].partition("_")[0], ("", "0"))
    formula = formula.removesuffix(f", {letter} = {power}")
    made = [calculate(formula, i=i, **{letter: calculate(power, i=i)}, **FUNCTIONS) for i in range(len(table))]
    if ends:
        assert ends == f"0 at 0, 2^{tables.SIGMOID_BITS} at {len(table) - 1}"
        made[0], made[-1] = 0, 1 << tables.SIGMOID_BITS
    assert made == table.tolist()


def test_the_window() -> None:
    assert_says(section("Planes and order"), f"{len(WINDOW)} offsets")
