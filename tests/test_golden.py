"""Files of every released format version decode for ever."""

import hashlib
import io
import json
from pathlib import Path

import pytest
from reference.decoder import decode as decode_plainly

from hpac_cli import api, images
from hpac_cli.model.files import weights_folder

GOLDEN = Path(__file__).parent / "golden"
SETS = ["1.0", "2.0", "3.0", "4.0", "5.0", "context", "finer", "steps"]
"""By format version; then networks with a context, with finer means in it, and adapters with steps."""
STILL_WRITTEN = ["3.0", "context", "finer"]
"""Those that today's encoder must write again, on any machine: they need no training."""
CASES = [(s, name) for s in SETS for name in json.loads((GOLDEN / s / "manifest.json").read_text())]


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def load(version: str, name: str) -> tuple[dict, bytes]:
    facts = json.loads((GOLDEN / version / "manifest.json").read_text())[name]
    data = (GOLDEN / version / f"{name}.hpac").read_bytes()
    assert sha(data) == facts["file"], "the golden file itself was altered"
    return facts, data


@pytest.mark.parametrize(("version", "name"), CASES)
def test_golden_file_decodes(version: str, name: str) -> None:
    facts, data = load(version, name)
    session = api.Session()
    image = session.decode(session.open(io.BytesIO(data)))
    assert sha(b"".join(frame.tobytes() for frame in image.frames)) == facts["samples"]
    if version == "1.0":  # which had no recipe for PNG's deflate stream
        assert sha(image.envelope.removeprefix(b"\0")) == facts["skeleton"]
    else:
        assert sha(image.envelope) == facts["envelope"]


@pytest.mark.parametrize(("version", "name"), CASES)
def test_golden_file_decodes_with_the_second_decoder(version: str, name: str) -> None:
    facts, data = load(version, name)
    frames = decode_plainly(data, weights_folder())
    assert sha(b"".join(frame.tobytes() for frame in frames)) == facts["samples"]


def is_all_ours(version: str, name: str) -> bool:
    """Whether no other library compressed anything, for those are free to do it another way."""
    return set(load(version, name)[0]["tiles"]) <= {"NETWORK", "LUMA_CHROMA", "STORED"}


@pytest.mark.parametrize(("version", "name"), [c for c in CASES if c[0] in STILL_WRITTEN and is_all_ours(*c)])
def test_the_encoder_still_writes_the_golden_file(version: str, name: str) -> None:
    facts, data = load(version, name)
    session, stream = api.Session(api.Options(tile=facts["tile"])), io.BytesIO()
    for kind, digest in facts["weights"].items():
        session.networks.use(kind, bytes.fromhex(digest))
    decoded = session.decode(session.open(io.BytesIO(data)))
    session.encode(images.read(images.write(decoded)) if decoded.kind == "png" else decoded, stream)
    assert stream.getvalue() == data
