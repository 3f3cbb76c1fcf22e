"""Paths in, paths out, and arrays in memory: the one door to the codec.

Nothing here imports numpy or torch before it is needed, so that `hpac --help` and
`hpac info` stay quick.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from . import files
from .errors import (
    ContainerError,
    HpacError,
    IncompleteError,
    LimitExceededError,
    RoundTripError,
    UnsupportedError,
    UsageError,
)
from .limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .codec.encode import Adapt
    from .codec.networks import Networks
    from .container.fields import Frame
    from .container.parse import Reader
    from .image import Image

Progress = Callable[[str, int, int], None]
"""Called with what is being done ("encode", "adapt: stage 1 of 3"), samples or updates done, and those in all."""

Region = tuple[int, int, int, int]
"""x, y, width, height in pixels."""

SUFFIX = ".hpac"
NETWORKS = ("rgb", "ycc", "grey")
"""Names of the networks that encoding may use."""
MAX_FILE_BYTES = 4 << 30
_NAMELESS = "standard input needs an output: -o FILE, or -o - for standard output"


def _no_progress(_step: str, _done: int, _total: int) -> None:
    pass


@dataclass(frozen=True)
class Options:
    """How to encode and decode; the same for every file of a call."""

    tile: int = 0
    """Tile side in pixels: even, 8 to 1024; 0 for 128, or 256 from 2 megapixels on. Larger ones make files
    smaller by little, and parts of them decode slower."""
    verify: bool = True
    """Decode what was encoded and compare before the output gets its name."""
    force: bool = False
    """Overwrite outputs that exist."""
    require_identical: bool = False
    """Refuse to encode a file that would not come back byte for byte."""
    preserve: bool = True
    """Give outputs the permissions and the time of last change of their sources."""
    threads: int = 0
    """Processors to use, by forked processes; 0 stays in this process, with torch's own threads.
    Changes no byte of any output."""
    adapt: str = "off"
    """Adapt the weights to each image (SARP-FT): "off", "fast" or "full"."""
    time_budget: float = 0.0
    """Seconds after which adapting an image ends; 0 for as long as it takes."""
    backend: str = ""
    """Arithmetic: int8, float32, reference, or "" for the fastest that is exact here."""
    limits: Limits = DEFAULT_LIMITS


@dataclass(frozen=True)
class Result:
    """What was done to one file."""

    output: str
    input_bytes: int
    output_bytes: int
    samples: int
    seconds: float
    fidelity: str
    """What decoding gives or gave: "bytes", "samples+metadata", or "samples" after conversion."""


@dataclass
class Session:
    """Options and the networks they load, kept over many files."""

    options: Options = field(default_factory=Options)
    progress: Progress = _no_progress
    _networks: Networks | None = None

    @property
    def networks(self) -> Networks:
        """The prepared networks; torch is imported when they are first needed."""
        if self._networks is None:
            from .codec.networks import Networks

            self._networks = Networks(backend=self.options.backend, threads=self.options.threads)
        return self._networks

    def load(self) -> None:
        """Load and prepare the newest networks now, so that processes forked later share them.

        Raises:
            ModelError: there are none.
            UsageError: there is no such backend.
        """
        for name in NETWORKS:
            self.networks.digest(name)

    def encode(self, image: Image, stream: BinaryIO) -> None:
        """Write an image to a stream as .hpac."""
        from .codec.encode import encode_image

        with self.count("encode", image.num_samples) as advance:
            encode_image(
                image,
                stream,
                networks=self.networks,
                tile=self.options.tile,
                workers=max(1, self.options.threads),
                progress=advance,
                adapt=self._adapt(image) if self.options.adapt != "off" else None,
            )

    def _adapt(self, image: Image) -> Adapt:
        from .adapt.efforts import EFFORTS
        from .adapt.sarp_ft import adapt

        options = self.options
        if options.adapt not in EFFORTS:
            raise UsageError(f"no effort {options.adapt!r}; there are off, {', '.join(EFFORTS)}")
        return functools.partial(
            adapt,
            image.frames,
            networks=self.networks,
            effort=EFFORTS[options.adapt],
            seconds=options.time_budget,
            workers=max(1, options.threads),
            report=self.progress,
        )

    def open(self, stream: BinaryIO) -> Reader:
        """Read an .hpac stream's header and metadata."""
        from .container.parse import Reader

        return Reader(stream, self.options.limits)

    def decode(self, reader: Reader, step: str = "decode") -> Image:
        """Decode the image of an opened .hpac stream."""
        from .codec.decode import decode_image

        with self.count(step, reader.header.num_samples) as advance:
            return decode_image(reader, networks=self.networks, workers=max(1, self.options.threads), progress=advance)

    @contextmanager
    def count(self, step: str, total: int) -> Iterator[Callable[[int], None]]:
        """Report progress of a step to whoever shows it."""
        done = 0

        def advance(samples: int) -> None:
            nonlocal done
            done += samples
            self.progress(step, done, total)

        self.progress(step, 0, total)
        yield advance


NOTHING = Result("", 0, 0, 0, 0.0, "")
"""Of work that is not about one file."""


def default_output(source: str) -> Path:
    """image.png becomes image.hpac beside it.

    Raises:
        UsageError: standard input has no name to derive one from.
    """
    if source == files.STANDARD:
        raise UsageError(_NAMELESS)
    return Path(source).with_suffix(SUFFIX)


def compress(source: str, output: str | None, session: Session) -> Result:
    """Encode one image file.

    Args:
        source: a path, or "-" for standard input.
        output: a path, "-" for standard output, or None for the default name.

    Raises:
        HpacError: any of errors.py; nothing is written under the final name then.
    """
    from . import images

    start, options = time.monotonic(), session.options
    _check_tile(options.tile)
    target = None if output == files.STANDARD else Path(output) if output else default_output(source)
    files.check_output(target, source=source, force=options.force)
    data = _read_whole(source)
    image = images.read(data, options.limits)
    size_before = len(data)
    del data  # large files would lie in memory twice
    _check_identical(image, options)

    def write(stream: BinaryIO) -> int:
        counted = _Counting(stream)
        session.encode(image, counted)  # type: ignore[arg-type]
        if options.verify:
            stream.seek(0)
            check_round_trip(image, stream, session)
        return counted.count

    size = _write_output(target, write, seekable=options.verify, force=options.force, like=_model(source, options))
    seconds = time.monotonic() - start
    return Result(str(target or files.STANDARD), size_before, size, image.num_samples, seconds, image.fidelity)


def _check_identical(image: Image, options: Options) -> None:
    if options.require_identical and not image.identical:
        raise UnsupportedError(
            "the same bytes cannot be made again from the samples, only equal samples and metadata; "
            "leave out --require-identical to accept that"
        )


def check_round_trip(image: Image, stream: BinaryIO, session: Session) -> None:
    """Decode a container and rebuild its file; compare samples and everything around them.

    Raises:
        RoundTripError: they differ.
    """
    try:
        decoded = session.decode(session.open(stream), "verify")
        rebuild(decoded)
    except HpacError as error:
        raise RoundTripError(
            f"the encoded file does not decode ({error}); nothing was written; please report this picture"
        ) from error
    if not decoded.equals(image) or not image.file_hash.startswith(decoded.file_hash):
        raise RoundTripError(
            "the encoded file decodes to something else; nothing was written; please report this picture"
        )


def rebuild(image: Image) -> bytes:
    """Write a decoded image as the file that it came from, and check its hash.

    Raises:
        UnsupportedError: this machine's zlib makes other bytes than the one that the file was encoded with.
        InputError: the envelope does not fit the samples.
    """
    from . import images

    data = images.write(image)
    if image.identical and not hashlib.sha256(data).digest().startswith(image.file_hash):
        raise UnsupportedError(
            "this machine's zlib compresses differently from the one that the file was encoded with, so the "
            "original bytes cannot be made; the samples are intact: decode to another kind, such as -o x.npy"
        )
    return data


def check(source: str, session: Session) -> Result:
    """Encode one image file in memory, decode that, and compare; nothing is written.

    Raises:
        RoundTripError: something else came back.
        HpacError: any other of errors.py.
    """
    from . import images

    start = time.monotonic()
    data = _read_whole(source)
    image = images.read(data, session.options.limits)
    _check_identical(image, session.options)
    stream = io.BytesIO()
    session.encode(image, stream)
    size = stream.tell()
    stream.seek(0)
    check_round_trip(image, stream, session)
    return Result("", len(data), size, image.num_samples, time.monotonic() - start, image.fidelity)


LIKENESSES = ("different", "samples", "samples+metadata", "bytes")
"""How alike two pictures can be, from least to most."""


def compare(one: str, other: str, session: Session) -> str:
    """Say how alike two files are, each a picture or the .hpac file of one.

    Returns:
        One of LIKENESSES; of .hpac files, the files that decoding gives are compared.

    Raises:
        HpacError: any of errors.py, of either file.
    """
    from . import images
    from .image import same_frames

    (data, image), (other_data, other_image) = (_open_picture(source, session) for source in (one, other))
    if data == other_data:
        return "bytes"
    if not same_frames(image.frames, other_image.frames) or not image.frames:
        return "different"
    around, other_around = (images.surroundings(i) for i in (image, other_image))
    return "samples+metadata" if (image.kind, around) == (other_image.kind, other_around) else "samples"


def _open_picture(source: str, session: Session) -> tuple[bytes, Image]:
    from . import images
    from .container.fields import SIGNATURE

    data = _read_whole(source)
    if not data.startswith(SIGNATURE):
        return data, images.read(data, session.options.limits)
    image = session.decode(session.open(io.BytesIO(data)))
    return rebuild(image), image


def estimate(source: str, session: Session) -> Result:
    """Estimate from a sample of one image file how large it will be; nothing is written.

    Raises:
        HpacError: any of errors.py.
    """
    from . import images
    from .codec.estimate import estimate_bytes

    start = time.monotonic()
    data = _read_whole(source)
    image = images.read(data, session.options.limits)
    size = estimate_bytes(image, networks=session.networks, tile=session.options.tile)
    return Result("", len(data), size, image.num_samples, time.monotonic() - start, image.fidelity)


def map_code_lengths(samples: NDArray[Any], session: Session) -> NDArray[Any]:
    """Say how many bits each pixel of a frame takes, (H, W) float32, all channels together.

    Args:
        samples: (H, W, C).
    """
    from .codec.heatmap import map_code_lengths as measure

    return measure(samples, networks=session.networks, tile=session.options.tile)


def decompress(source: str, output: str | None, session: Session, *, folder: str | None = None) -> Result:
    """Decode one .hpac file to the kind of file that it came from, or convert its samples.

    Args:
        output: a path, "-" for standard output, or None for the default name.
        folder: where the default name goes; None beside the source.

    Raises:
        HpacError: any of errors.py; nothing is written under the final name then.
    """
    with files.open_input(source) as stream:
        return _decompress(stream, source, output, session, folder)


def _decompress(
    stream: BinaryIO, source: str, output: str | None, session: Session, folder: str | None = None
) -> Result:
    from .codec.kinds import KIND_NAMES

    start, options = time.monotonic(), session.options
    counted = _Counting(stream)
    reader = session.open(counted)  # type: ignore[arg-type]
    target, wanted = _decoded_name(source, output, KIND_NAMES[reader.header.kind])
    if folder is not None and output is None and target is not None:
        target = Path(folder) / target.name
    files.check_output(target, source=source, force=options.force)
    image = session.decode(reader)
    data, fidelity = _to_file(image, wanted)
    _write_bytes(target, data, force=options.force, like=_model(source, options))
    seconds = time.monotonic() - start
    return Result(str(target or files.STANDARD), counted.count, len(data), image.num_samples, seconds, fidelity)


def decompress_part(source: str, output: str, session: Session, *, frame: int, region: Region | None) -> Result:
    """Decode one frame, or a region of it, reading only the tiles that it needs.

    Args:
        output: a .png, .tif or .npy file.
        frame: counted from 0.
        region: x, y, width, height in pixels; None for the whole frame.

    Raises:
        HpacError: any of errors.py; nothing is written under the final name then.
    """
    from .codec.partial import decode_region
    from .codec.tiles import Box
    from .image import Image

    start, options = time.monotonic(), session.options
    target, wanted = _converted_name(output)
    files.check_output(target, source=source, force=options.force)
    box = Box(region[1], region[0], region[3], region[2]) if region else None
    with files.open_input(source) as stream:
        counted = _Counting(stream)
        reader = session.open(counted)  # type: ignore[arg-type]
        with session.count("decode", box.height * box.width if box else reader.header.num_samples) as advance:
            workers = max(1, options.threads)
            samples = decode_region(reader, frame, box, networks=session.networks, workers=workers, progress=advance)
    data, _ = _to_file(Image((samples,), "array"), wanted)
    _write_bytes(target, data, force=options.force)
    return Result(output, counted.count, len(data), samples.size, time.monotonic() - start, "samples")


def salvage(source: str, output: str | None, session: Session, *, fill: int) -> Result:
    """Decode whatever is undamaged of one .hpac file, and report what is lost.

    What is whole decodes as ever. Else lost samples get the value `fill`, and OUTPUT.lost.json lists
    them; if what lies around the samples is lost too, they become a plain .png, .tif or .npy.

    Raises:
        IncompleteError: the output is written, but samples or metadata are lost.
        HpacError: any other of errors.py; nothing is written under the final name then.
    """
    from .codec.kinds import KIND_NAMES
    from .codec.partial import decode_salvaged
    from .container.salvage import find_undamaged
    from .image import Image

    data = _read_whole(source)
    with contextlib.suppress(ContainerError):
        return _decompress(io.BytesIO(data), source, output, session)
    options = session.options
    found = find_undamaged(data, options.limits)
    kind = KIND_NAMES[found.header.kind] if found.metadata is not None else ""
    target, wanted = _salvaged_name(source, output, kind)
    files.check_output(target, source=source, force=options.force)
    with session.count("salvage", found.header.num_samples) as advance:
        workers = max(1, options.threads)
        frames, lost = decode_salvaged(found, fill, networks=session.networks, workers=workers, progress=advance)
    image = Image(frames, kind or "arrays", found.metadata or b"")
    out, _ = _to_file(image, wanted)
    report = {
        "file": source,
        "output": str(target or files.STANDARD),
        "metadata_lost": found.metadata is None,
        "samples": image.num_samples,
        "samples_lost": sum(part.box.height * part.box.width * (part.channels[1] - part.channels[0]) for part in lost),
        "lost": [{"frame": p.frame, "channels": list(range(*p.channels)), **p.box._asdict()} for p in lost],
    }
    _write_bytes(target, out, force=options.force)
    text = json.dumps(report, indent=1) + "\n"
    where = ""
    if target is not None:
        beside = target.with_name(target.name + ".lost.json")
        _write_bytes(beside, text.encode(), force=True)
        where = f"; {beside} lists them"
    around = ", and all metadata" if found.metadata is None else ""
    raise IncompleteError(
        f"damaged: {report['samples_lost']:,} of {image.num_samples:,} samples are lost{around}; "
        f"the rest is in {target or 'standard output'}{where}"
    )


def _converted_name(output: str) -> tuple[Path | None, str]:
    from . import images

    kind = images.KINDS_BY_SUFFIX.get(Path(output).suffix.lower(), "none")
    if kind not in images.CONVERTED:
        raise UsageError("a part of a picture becomes a .png, .tif or .npy file; name one with -o")
    return Path(output), kind


def _salvaged_name(source: str, output: str | None, kind: str) -> tuple[Path | None, str]:
    """Where salvaged samples go: as their own kind, or plainly if what lay around them is lost."""
    if kind:
        return _decoded_name(source, output, kind)
    if output and output != files.STANDARD:
        return _converted_name(output)
    raise UsageError("what lay around the samples is lost too; name a plain .png, .tif or .npy file with -o")


def _write_bytes(target: Path | None, data: bytes, *, force: bool, like: str | None = None) -> None:
    def write(stream: BinaryIO) -> int:
        stream.write(data)
        return len(data)

    _write_output(target, write, seekable=False, force=force, like=like)


def _model(source: str, options: Options) -> str | None:
    """The file whose permissions and times an output gets."""
    return source if options.preserve and source != files.STANDARD else None


def _to_file(image: Image, wanted: str) -> tuple[bytes, str]:
    """The bytes of the source's file, or of another kind, and how true they are to the source."""
    from . import images

    if images.SUFFIXES[image.kind] == images.SUFFIXES[wanted]:
        return rebuild(image), image.fidelity
    return images.convert(image, wanted), "samples"


def _decoded_name(source: str, output: str | None, kind: str) -> tuple[Path | None, str]:
    """Where decoding writes, None for standard output, and which kind of file."""
    from . import images

    suffix = images.SUFFIXES[kind]
    if output == files.STANDARD:
        return None, kind
    if output:
        path = Path(output)
        named = images.KINDS_BY_SUFFIX.get(path.suffix.lower(), kind)
        if named != kind and images.SUFFIXES.get(named) != suffix:
            if named not in images.CONVERTED:
                raise UnsupportedError(f"hpac writes no {path.suffix[1:]} files; it converts to png, tif and npy")
            return path, named
        return path, kind
    if source == files.STANDARD:
        raise UsageError(_NAMELESS)
    path = Path(source)
    stem = path.name.removesuffix(SUFFIX)
    if stem != path.name and images.KINDS_BY_SUFFIX.get(Path(stem).suffix.lower()) == kind:
        return path.with_name(stem), kind  # image.png.hpac
    return path.with_name(stem + suffix), kind


def name_decoded(source: str, stream: BinaryIO, limits: Limits = DEFAULT_LIMITS) -> str:
    """Name the file that decoding an .hpac file gives, without its folder; only its header is read.

    Args:
        source: its path or URL.
        stream: what it holds.

    Raises:
        HpacError: any of errors.py.
    """
    from .codec.kinds import KIND_NAMES
    from .container.parse import Reader

    kind = KIND_NAMES[Reader(stream, limits).header.kind]
    target, _ = _decoded_name(source, None, kind)
    return "" if target is None else target.name


def verify(source: str, session: Session) -> Result:
    """Decode one .hpac file and check its hash, writing nothing.

    Raises:
        HpacError: any of errors.py.
    """
    start = time.monotonic()
    with files.open_input(source) as stream:
        counted = _Counting(stream)
        image = session.decode(session.open(counted), "verify")  # type: ignore[arg-type]
        rebuild(image)
    return Result("", counted.count, 0, image.num_samples, time.monotonic() - start, image.fidelity)


def inspect(source: str, limits: Limits = DEFAULT_LIMITS) -> dict[str, Any]:
    """Describe one .hpac file without decoding samples; every checksum is checked.

    Returns:
        Plain values for JSON: geometry, mode, weights, sizes per part in bytes, bpsp.

    Raises:
        HpacError: any of errors.py.
    """
    from .codec.kinds import KIND_NAMES
    from .container.fields import TileMode
    from .container.parse import Reader

    with files.open_input(source) as stream:
        reader = Reader(stream, limits)
        header = reader.header
        modes = dict.fromkeys((mode.name.lower() for mode in TileMode), 0)
        for tile in reader.tiles():
            modes[tile.mode.name.lower()] += 1
    size = sum(reader.sizes.values())
    adapters = [{"weights": adapted.base.hex(), "bytes": len(adapted.change)} for adapted in header.adapters]
    return {
        "file": source,
        "format_version": ".".join(map(str, reader.version)),
        "kind": KIND_NAMES[header.kind],
        "fidelity": "bytes" if header.identical else "samples+metadata",
        "frames": [_describe_frame(frame) for frame in header.frames],
        "tiles": modes,
        "adapters": adapters,
        "metadata_bytes": len(reader.metadata),
        "bytes": {**reader.sizes, "total": size},
        "bpsp": round(8 * size / header.num_samples, 4) if header.num_samples else None,
        "samples_sha256": reader.samples_hash.hex(),
        "file_sha256": reader.file_hash.hex(),
    }


def _describe_frame(frame: Frame) -> dict[str, Any]:
    return {
        "width": frame.width,
        "height": frame.height,
        "channels": frame.channels,
        "sample_type": frame.sample_type,
        "tile": frame.tile,
        "parts": [
            {
                "channels": part.channels,
                "coding": part.coding.name.lower(),
                "bit_depth": part.bit_depth,
                "weights": part.weights_digest.hex(),
                "colours": part.colours.name.lower(),
                "values": "table" if part.table else f"from {part.offset}" if part.offset else "as they are",
            }
            for part in frame.parts
        ],
    }


def encode(array: NDArray[Any], *, tile: int = 0, adapt: str = "off", backend: str = "") -> bytes:
    """Encode an array to .hpac bytes in memory.

    Args:
        array: (H, W), (H, W, C) or (N, H, W, C) of unsigned, signed or float numbers of 1 to 8 bytes;
            up to 16 bits are coded by the network, more as compressed bytes.
        tile: tile side in pixels, even, 8 to 1024; 0 for one that suits the image.
        adapt: "fast" or "full" adapts the weights to the array, which makes it smaller and takes longer.
        backend: int8, float32, reference, or "" for the fastest exact one; all give the same bytes.

    Raises:
        UnsupportedError: another shape or type.
        UsageError: an impossible tile size, effort or backend.
    """
    import numpy as np

    from .container.fields import SAMPLE_TYPES
    from .images.npy import from_array

    array = np.asarray(array)
    sample_type = f"{array.dtype.kind}{array.dtype.itemsize}"
    if sample_type not in SAMPLE_TYPES or array.ndim not in (2, 3, 4) or 0 in array.shape:
        raise UnsupportedError(
            f"array of type {array.dtype} and shape {array.shape}; hpac takes integers and floats of up to 64 bits, "
            "(H, W), (H, W, C) or (N, H, W, C)"
        )
    _check_tile(tile)
    stream = io.BytesIO()
    image = from_array(array.astype(sample_type, copy=False))
    Session(Options(tile=tile, adapt=adapt, backend=backend)).encode(image, stream)
    return stream.getvalue()


def decode(data: bytes, *, backend: str = "", limits: Limits = DEFAULT_LIMITS) -> NDArray[Any]:
    """Decode .hpac bytes to an array of the type and shape that was encoded.

    Files become (H, W, C), or (N, H, W, C) if they hold several frames of one shape and type.

    Raises:
        UnsupportedError: a file without samples, or with frames that differ in shape or type.
        HpacError: ContainerError, ModelError or LimitExceededError of errors.py.
    """
    from .images.npy import to_array

    image = _decode_bytes(data, Session(Options(backend=backend, limits=limits)))
    try:
        return to_array(image)
    except ValueError as error:
        raise UnsupportedError(f"this file is not one array: {error}") from error


def _decode_bytes(data: bytes, session: Session) -> Image:
    return session.decode(session.open(io.BytesIO(data)))


def _check_tile(tile: int) -> None:
    if tile and (not 8 <= tile <= 1024 or tile % 2):
        raise UsageError(f"tile size {tile} is not an even number from 8 to 1024")


def _read_whole(source: str) -> bytes:
    parts, size = [], 0
    with files.open_input(source) as stream:
        while part := stream.read(1 << 20):
            size += len(part)
            if size > MAX_FILE_BYTES:
                raise LimitExceededError(f"larger than {MAX_FILE_BYTES:,} bytes")
            parts.append(part)
    return b"".join(parts)


def _write_output(
    target: Path | None, write: Callable[[BinaryIO], int], *, seekable: bool, force: bool, like: str | None
) -> int:
    """Let `write` fill a file, or a stream; what must be read back first goes by a temporary file."""
    if target is None:
        return _write_stream(sys.stdout.buffer, write, seekable=seekable)
    if files.is_special(target):
        with files.open_special(target) as stream:
            return _write_stream(stream, write, seekable=seekable)
    with files.atomic_output(target, force=force, like=like) as stream:
        return write(stream)


def _write_stream(out: BinaryIO, write: Callable[[BinaryIO], int], *, seekable: bool) -> int:
    with files.writing("the output"):
        if not seekable:
            size = write(out)
        else:
            with tempfile.TemporaryFile() as stream:
                size = write(stream)
                stream.seek(0)
                shutil.copyfileobj(stream, out)
        out.flush()
    return size


class _Counting:
    """A binary stream that counts the bytes that pass."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.count += len(data)
        return data

    def write(self, data: bytes) -> int:
        self.count += len(data)
        return self._stream.write(data)

    def seek(self, offset: int, whence: int) -> int:
        return self._stream.seek(offset, whence)

    def seekable(self) -> bool:
        return self._stream.seekable()

    def flush(self) -> None:
        self._stream.flush()
