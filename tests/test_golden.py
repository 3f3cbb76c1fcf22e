"""Golden files decode to what they were made of, are written again bit for bit, and hold all that the format has."""

import io
import json
import re
from pathlib import Path

import pytest
from fuzz import split_chunks
from make_golden import GOLDEN, ROOT, encode_again, sha
from reference.decoder import decode as decode_plainly

from hpac_cli import api, images
from hpac_cli.codec.cells import STEPS
from hpac_cli.codec.networks import Networks
from hpac_cli.container.fields import (
    MAX_CELL_BITS,
    MAX_CODED_BITS,
    MAX_REFERENCES,
    MODES,
    ORIENTATIONS,
    SAMPLE_TYPES,
    VERSION_MAJOR,
    VERSION_MINOR,
    Coding,
    Colours,
    Kind,
    Packing,
    TileMode,
)
from hpac_cli.container.parse import Reader
from hpac_cli.images.layout import Codec
from hpac_cli.images.lzw import VARIANTS
from hpac_cli.images.packbits import NUM_VARIANTS
from hpac_cli.limits import DEFAULT_LIMITS
from hpac_cli.model.files import weights_folder

MANIFEST = json.loads((GOLDEN / "manifest.json").read_text())
EACH = pytest.mark.parametrize("name", MANIFEST)


def load(name: str) -> bytes:
    data = (GOLDEN / f"{name}.hpac").read_bytes()
    assert sha(data) == MANIFEST[name]["file"], "the golden file itself was altered"
    return data


def read(name: str) -> Reader:
    return Reader(io.BytesIO(load(name)), DEFAULT_LIMITS)


def test_no_golden_file_is_missing_or_unknown() -> None:
    assert {path.stem for path in GOLDEN.glob("*.hpac")} == set(MANIFEST)


@pytest.mark.parametrize("listed", sorted(GOLDEN.glob("frozen-*.txt")), ids=lambda path: path.stem)
def test_what_a_version_froze_is_as_it_was(listed: Path) -> None:
    lines = [line.split() for line in listed.read_text().splitlines()]
    assert [path for digest, path in lines if sha((ROOT / path).read_bytes()) != digest] == []


def test_lists_of_what_is_frozen_are_those_of_the_document() -> None:
    text = (ROOT / "docs" / "format.md").read_text()
    rows = re.findall(r"(?m)^\| (\d+\.\d+) \| [^|]+ \| `(.*)` ([0-9a-f]{64}) \|$", text)
    assert rows[-1][0] == f"{VERSION_MAJOR}.{VERSION_MINOR}"
    assert [path for _, path, _ in rows] == [f"tests/golden/frozen-{version}.txt" for version, _, _ in rows]
    assert [digest for _, _, digest in rows] == [sha((ROOT / path).read_bytes()) for _, path, _ in rows]


def test_nothing_is_added_to_the_format_without_a_version() -> None:
    values = {kind.__name__: [*map(int, kind)] for kind in (Kind, Packing, Coding, Colours, TileMode, Codec)}
    numbers = [MODES, ORIENTATIONS, *STEPS, MAX_CODED_BITS, MAX_CELL_BITS, MAX_REFERENCES, NUM_VARIANTS, len(VARIANTS)]
    assert (VERSION_MAJOR, VERSION_MINOR) == (1, 0), "say here what the new version's values and numbers are"
    assert values == {
        "Kind": [*range(12)],
        "Packing": [*range(3)],
        "Coding": [*range(4)],
        "Colours": [*range(16)],
        "TileMode": [*range(9)],
        "Codec": [*range(6)],
    }
    assert SAMPLE_TYPES == ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
    assert numbers == [16, 8, 1, 2, 4, 8, 16, 12, 2, 10, 16]


@EACH
def test_a_golden_file_decodes(name: str) -> None:
    session = api.Session()
    image = session.decode(session.open(io.BytesIO(load(name))))
    assert sha(b"".join(frame.tobytes() for frame in image.frames)) == MANIFEST[name]["samples"]
    assert sha(image.envelope) == MANIFEST[name]["envelope"]


@EACH
def test_a_golden_file_decodes_with_the_second_decoder(name: str) -> None:
    frames = decode_plainly(load(name), weights_folder())
    assert sha(b"".join(frame.tobytes() for frame in frames)) == MANIFEST[name]["samples"]


@pytest.mark.parametrize("name", [name for name in MANIFEST if name.startswith(("tiff", "dicom", "file"))])
def test_a_golden_file_gives_its_source_again(name: str) -> None:
    if "deflate" in name:
        pytest.skip("zlib makes that file, which need not be the one that made the source")
    session = api.Session()
    image = session.decode(session.open(io.BytesIO(load(name))))
    assert sha(images.write(image)) == MANIFEST[name]["source"]


@pytest.mark.parametrize("name", [name for name in MANIFEST if name.startswith("series")])
def test_a_golden_series_gives_its_files_again(name: str) -> None:
    files = api.decode_series(load(name))
    assert {member: sha(data) for member, data in files.items()} == MANIFEST[name]["members"]


@pytest.mark.parametrize("name", [name for name, facts in MANIFEST.items() if facts["ours"]])
def test_the_encoder_still_writes_the_golden_file(name: str, networks: Networks) -> None:
    assert encode_again(name, networks) == load(name)


def test_golden_files_hold_all_that_the_format_has() -> None:
    readers = {name: read(name) for name in MANIFEST}
    pieces = [piece for reader in readers.values() for piece in reader.pieces()]
    tiles = [tile for reader in readers.values() for tile in reader.tiles()]
    frames = [frame for reader in readers.values() for frame in reader.header.frames]
    parts = [part for frame in frames for part in frame.parts]
    chunks = [chunk for name in MANIFEST for chunk in split_chunks(load(name))]
    assert {reader.header.kind for reader in readers.values()} == set(Kind)
    assert {frame.sample_type for frame in frames} == set(SAMPLE_TYPES)
    assert {part.coding for part in parts} == set(Coding)
    assert {part.colours for part in parts} == set(Colours)
    assert {part.repeats for part in parts} == {False, True}
    assert {len(part.references) for part in parts} == {0, 1, 2}
    assert {reference.back for part in parts for reference in part.references} == {0, 1, 2}
    assert any(frame.order for frame in frames)
    assert any(part.whole for part in parts)
    assert {tile.mode for tile in tiles} == set(TileMode)
    assert {tile.orientation for tile in tiles} == set(range(ORIENTATIONS))
    assert {payload[0] for kind, payload in chunks if kind == b"M"} == set(Packing)
    assert {piece.packing for piece in pieces} == set(Packing)
    assert {len(reader.header.adapters) for reader in readers.values()} == {0, 1, 2}
    assert {len(reader.samples_hash) for reader in readers.values()} == {8, 16}
    assert {1, 8, 12, 16, 32, 64} <= {part.bit_depth for part in parts}
    assert {part.cells[0] for part in parts if part.cells} == set(range(len(STEPS)))
    assert any(part.table for part in parts)
    assert any(part.offset for part in parts)
    assert min(len(reader.header.frames) for reader in readers.values()) == 0
