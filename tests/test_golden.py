"""Golden files decode to what they were made of, are written again bit for bit, and hold all that the format has."""

import io
import json

import pytest
from fuzz import split_chunks
from make_golden import GOLDEN, encode, sha
from reference.decoder import decode as decode_plainly

from hpac_cli import api, images
from hpac_cli.codec.cells import STEPS
from hpac_cli.codec.networks import Networks
from hpac_cli.container.fields import ORIENTATIONS, SAMPLE_TYPES, Coding, Colours, Kind, Packing, TileMode
from hpac_cli.container.parse import Reader
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
    data, session = load(name), api.Session()
    image = session.decode(session.open(io.BytesIO(data)))
    how = {key: MANIFEST[name][key] for key in ("effort", "tile", "orientation", "adapted", "cells", "plan")}
    assert encode(image, networks, **how) == data


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
