"""A coverage-guided fuzzer of containers and image files: atheris, which brings libFuzzer (pip install atheris).

python tests/fuzzing/fuzz_container.py FOLDER -max_total_time=600     inputs that reach anything new go to FOLDER

An input's first byte chooses what reads the rest. Before a container or PNG is read its checksums are set right,
except for one input in four: damage then reaches what lies behind them. Anything but our errors is a find.
"""

import contextlib
import io
import random
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["hpac_cli"]):
    from hpac_cli import api, images
    from hpac_cli.api.names import list_decoded
    from hpac_cli.codec.partial import decode_region
    from hpac_cli.codec.salvaged import decode_salvaged
    from hpac_cli.container.fields import SIGNATURE
    from hpac_cli.container.salvage import find_undamaged
    from hpac_cli.errors import HpacError
    from hpac_cli.images import dicom, npy, png, proof, splice, tiff  # noqa: F401  (imported elsewhere only when called)

from fuzz import LIMITS, Fuzzer, mutate, mutate_chunks

HEAD_BYTES = len(SIGNATURE) + 2
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
SESSION = api.Session(api.Options(limits=LIMITS, threads=1))


def mend_container(data: bytes) -> bytes:
    """Set the checksums of chunks right, as far as their lengths can be followed."""
    out, at = bytearray(data), HEAD_BYTES
    while at < len(data):
        body, length, shift = at + 1, 0, 0
        while body < len(data) and shift < 35:
            length |= (data[body] & 127) << shift
            shift += 7
            body += 1
            if data[body - 1] < 128:
                break
        stop = body + length
        if stop + 4 > len(data):
            break
        out[stop : stop + 4] = zlib.crc32(data[at:stop]).to_bytes(4, "little")
        at = stop + 4
    return bytes(out)


def mend_png(data: bytes) -> bytes:
    """The same for PNG."""
    out, at = bytearray(data), len(PNG_SIGNATURE)
    while at + 12 <= len(data):
        stop = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if stop + 4 > len(data):
            break
        out[stop : stop + 4] = zlib.crc32(data[at + 4 : stop]).to_bytes(4, "big")
        at = stop + 4
    return bytes(out)


def decode(data: bytes) -> None:
    api.rebuild(SESSION.decode(SESSION.open(io.BytesIO(data))))


def salvage(data: bytes) -> None:
    decode_salvaged(find_undamaged(data, LIMITS), 7, networks=SESSION.networks)


def read_parts(data: bytes) -> None:
    """The name, and frame after frame, as `hpac decode --region` reads them."""
    name = list_decoded("x.hpac", io.BytesIO(data))[0]
    assert name.startswith("x")
    assert "/" not in name
    reader = SESSION.open(io.BytesIO(data))
    for index in range(min(2, len(reader.header.frames))):
        decode_region(SESSION.open(io.BytesIO(data)), index, None, networks=SESSION.networks)
    for _ in reader.tiles():
        pass


def read_picture(data: bytes) -> None:
    image = images.read(data, LIMITS)
    for kind in images.CONVERTED:
        with contextlib.suppress(HpacError):
            images.convert(image, kind)
    if image.frames:
        images.surroundings(image)
    if image.identical:
        assert images.write(image) == data


READERS: tuple[Callable[[bytes], None], ...] = (decode, read_picture, salvage, read_parts)


def run(data: bytes) -> None:
    """Run one input."""
    if not data:
        return
    reader = READERS[data[0] % len(READERS)]
    rest = data[1:]
    if data[0] < 192:
        rest = mend_png(rest) if rest.startswith(PNG_SIGNATURE) else mend_container(rest)
    try:
        reader(rest)
    except HpacError:
        return


def mutate_input(data: bytes, max_size: int, seed: int) -> bytes:
    """Damage chunks as fuzz.py does, or bytes as libFuzzer does."""
    rng = random.Random(seed)
    if data and rng.randrange(3) == 0 and data[1:].startswith(SIGNATURE):
        try:
            return data[:1] + mutate_chunks(rng, data[1:])[: max_size - 1]
        except (IndexError, ValueError):  # its chunks cannot be followed
            return data[:1] + mutate(rng, data[1:])[: max_size - 1]
    return bytes(atheris.Mutate(data, max_size))


def write_seeds(folder: Path) -> None:
    """Put golden files, and the pictures that fuzz.py damages, where libFuzzer looks for them."""
    folder.mkdir(parents=True, exist_ok=True)
    fuzzer = Fuzzer()
    for name, data in fuzzer.containers:
        for reader in (0, 2, 3):
            (folder / f"{name}-{READERS[reader].__name__}").write_bytes(bytes([reader]) + data)
    for number, (_, data) in enumerate(fuzzer.pictures):
        (folder / f"picture-{number}").write_bytes(b"\1" + data)


def main() -> None:
    """Run as a command; arguments after the folder are libFuzzer's."""
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    if not folder.exists():
        write_seeds(folder)
    atheris.Setup(
        [sys.argv[0], "-max_len=40000", "-timeout=20", "-rss_limit_mb=3000", *sys.argv[1:]],
        run,
        custom_mutator=mutate_input,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
