"""Decodes every golden file, and encodes some of what came of it, with each instruction set named; test_sanitized.py runs this
with a core that is built with sanitizers, which end the process at the first find.

python tests/sanitized.py plain avx2
"""

import hashlib
import io
import json
import sys
from pathlib import Path

from hpac_cli import api
from hpac_cli.core import DamagedWordsError, TileCoder
from hpac_cli.image import Image, same_frames

EACH = 25
"""So many golden files are there for each that is encoded, which takes eight times as long as decoding it."""
GOLDEN = Path(__file__).parent / "golden"


def decode_all(session: api.Session) -> dict[str, Image]:
    """Decode golden files; their samples are the right ones."""
    manifest = json.loads((GOLDEN / "manifest.json").read_text())
    decoded = {}
    for name, facts in manifest.items():
        image = session.decode(session.open(io.BytesIO((GOLDEN / f"{name}.hpac").read_bytes())))
        samples = b"".join(frame.tobytes() for frame in image.frames)
        assert hashlib.sha256(samples).hexdigest() == facts["samples"], name
        decoded[name] = image
    return decoded


def encode_all(session: api.Session, images: dict[str, Image]) -> None:
    """Encode, and decode again."""
    for name in list(images)[::EACH]:
        image = images[name]
        stream = io.BytesIO()
        session.encode(image, stream)
        assert same_frames(session.decode(session.open(io.BytesIO(stream.getvalue()))).frames, image.frames), name


def damage_words(coder: TileCoder, image: Image) -> None:
    """Decode words of which one byte is another, or some are missing."""
    samples = image.frames[0][:8, :8, : coder.planes].astype("int32")
    height, width, _ = samples.shape
    words = coder.encode(samples, 8)
    coder.measure(samples, 8)
    coder.trace(samples, 8)
    for at in range(0, len(words), 5):
        for damaged in (words[:at] + bytes([words[at] ^ 0xFF]) + words[at + 1 :], words[: at // 4 * 4]):
            try:
                coder.decode(damaged, height, width, 8)
            except DamagedWordsError:
                continue


def main() -> None:
    """Run as a command."""
    for unit in sys.argv[1:]:
        session = api.Session(api.Options(backend=unit, threads=2, tile=16))
        images = decode_all(session)
        encode_all(session, images)
        for name in ("rgb-medium", "grey-small"):
            coder = session.networks.by_digest(session.networks.digest(name)).coder
            damage_words(coder, images["rgb"])
        print(f"{unit}: {len(images)} files")


if __name__ == "__main__":
    main()
