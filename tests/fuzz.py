"""Damages containers and image files at random, and sees that nothing but our own errors comes of it.

python tests/fuzz.py --minutes 60     by hand; test_fuzz.py runs a fixed share of it
"""

import argparse
import io
import random
import resource
import sys
import time
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

from hpac_cli import api, images
from hpac_cli.binary import put_varint
from hpac_cli.codec.salvaged import decode_salvaged
from hpac_cli.container.fields import SIGNATURE
from hpac_cli.container.salvage import find_undamaged
from hpac_cli.errors import HpacError
from hpac_cli.image import Image, same_frames
from hpac_cli.limits import Limits

TESTS = Path(__file__).parent
FORMATS = TESTS.parents[1] / "shared" / "data" / "formats"
LIMITS = Limits(max_pixels=1 << 17, max_sample_bytes=1 << 22, max_metadata_bytes=1 << 22)
MAX_SECONDS, MAX_GROWTH_KB = 10, 1_000_000
SEED_BYTES = 40_000
INTERESTING = (0, 1, 2, 127, 128, 255)


def containers() -> dict[str, bytes]:
    """Golden files, by name."""
    return {p.stem: p.read_bytes() for p in sorted((TESTS / "golden").glob("*.hpac"))}


def pictures(decoded: dict[str, Image]) -> dict[str, bytes]:
    """What golden files decode to and, where they are there, files of other projects."""
    found = {}
    for name, image in decoded.items():
        if image.kind in ("png", "tiff", "dicom"):
            found[name] = images.write(image)
        for kind in ("png", "tiff"):
            try:
                found[f"{name} as {kind}"] = images.convert(image, kind)
            except HpacError:
                continue
    others = (p for p in sorted(FORMATS.glob("*/*")) if p.is_file() and p.stat().st_size <= SEED_BYTES)
    return found | {p.name: p.read_bytes() for p in others}


def mutate(rng: random.Random, data: bytes) -> bytes:
    """Flip, overwrite, cut, insert, repeat or swap somewhere, once or a few times."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
        if not out:
            break
        at, length = rng.randrange(len(out)), rng.choice((1, 1, 2, 4, 16, 200))
        match rng.randrange(7):
            case 0:
                out[at] ^= 1 << rng.randrange(8)
            case 1:
                out[at] = rng.choice(INTERESTING)
            case 2:
                out[at : at + length] = rng.randbytes(len(out[at : at + length]))
            case 3:
                del out[at : at + length]
            case 4:
                out[at:at] = rng.randbytes(length)
            case 5:
                other = rng.randrange(len(out))
                out[at:at] = out[other : other + length]
            case 6:
                del out[at:]
    return bytes(out)


def split_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (type, payload) of an undamaged container."""
    at = len(SIGNATURE) + 2
    while at < len(data):
        kind, length, shift = data[at : at + 1], 0, 0
        at += 1
        while True:
            byte = data[at]
            at += 1
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        yield kind, data[at : at + length]
        at += length + 4


def mutate_chunks(rng: random.Random, data: bytes) -> bytes:
    """Damage payloads, or drop, repeat and swap chunks, with checksums that match again."""
    chunks = list(split_chunks(data))
    for _ in range(rng.choice((1, 1, 2))):
        i, j = rng.randrange(len(chunks)), rng.randrange(len(chunks))
        match rng.randrange(6):
            case 0:
                chunks[i], chunks[j] = chunks[j], chunks[i]
            case 1:
                chunks.insert(j, chunks[i])
            case 2 if len(chunks) > 1:
                del chunks[i]
            case _:
                chunks[i] = (chunks[i][0], mutate(rng, chunks[i][1]))
        if not chunks:
            break
    out = data[: len(SIGNATURE) + 2]
    for kind, payload in chunks:
        body = kind + put_varint(len(payload)) + payload
        out += body + zlib.crc32(body).to_bytes(4, "little")
    return out


def check_container(session: api.Session, damaged: bytes, original: Image) -> str:
    """Decode; it must end in one of our errors, or in exactly the right samples."""
    try:
        decoded = session.decode(session.open(io.BytesIO(damaged)))
    except HpacError:
        return "refused"
    assert same_frames(decoded.frames, original.frames), "wrong samples"
    try:
        for picture in decoded.pictures:
            api.rebuild(picture)
    except HpacError:
        return "samples alone"
    return "right"


def check_salvage(session: api.Session, damaged: bytes) -> str:
    """Salvage; it must end in one of our errors, or in samples, lost ones included."""
    try:
        _, lost = decode_salvaged(find_undamaged(damaged, LIMITS), 7, networks=session.networks)
    except HpacError:
        return "refused"
    return "salvaged in part" if lost else "salvaged"


def check_reader(damaged: bytes) -> str:
    """Read; it must end in one of our errors, or in an image that can be written."""
    try:
        image = images.read(damaged, LIMITS)
    except HpacError:
        return "refused"
    return "same bytes" if image.identical else "same samples"


class Fuzzer:
    """Runs numbered cases; the same number is always the same case."""

    def __init__(self) -> None:
        self.session = api.Session(api.Options(limits=LIMITS, threads=1))
        self.containers = list(containers().items())
        self.originals = [self.session.decode(self.session.open(io.BytesIO(d))) for _, d in self.containers]
        names = [name for name, _ in self.containers]
        self.peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.pictures = list(pictures(dict(zip(names, self.originals, strict=True))).items())

    def run(self, number: int) -> str:
        """Run one case; return what it ended in.

        Raises:
            AssertionError: wrong samples, too slow or too large.
            Exception: any that is not ours is a find.
        """
        rng, start = random.Random(number), time.process_time()
        if number % 2:
            name, data = rng.choice(self.pictures)
            outcome = check_reader(mutate(rng, data))
        else:
            i = rng.randrange(len(self.containers))
            name, data = self.containers[i]
            damage = mutate if number % 4 else mutate_chunks
            damaged = damage(rng, data)
            outcome = check_container(self.session, damaged, self.originals[i])
            if outcome == "refused":
                outcome = check_salvage(self.session, damaged)
        assert time.process_time() - start < MAX_SECONDS, f"case {number} ({name}) takes too long"
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - self.peak
        assert grown < MAX_GROWTH_KB, f"case {number} ({name}) takes {grown} kB"
        return outcome


def main() -> None:
    """Run cases until the time is over; print every find, and what the others ended in."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--first", type=int, default=1_000_000)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    fuzzer, outcomes, finds = Fuzzer(), {}, 0  # type: ignore[var-annotated]
    stop, number = time.monotonic() + 60 * options.minutes, options.first
    while time.monotonic() < stop:
        try:
            outcome = fuzzer.run(number)
        except Exception as error:
            finds += 1
            outcome = "FIND"
            print(f"case {number}: {type(error).__name__}: {error}", flush=True)
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        number += 1
    print(f"{number - options.first:,} cases from {options.first:,}: {outcomes}, {finds} finds")
    sys.exit(finds > 0)


if __name__ == "__main__":
    main()
