"""Sizes and speed beside other codecs, on the same samples, each checked for exactness."""

import io
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hpac_cli import api, images
from hpac_cli.errors import HpacError
from hpac_cli.image import Samples
from hpac_cli.images.npy import from_array


class Codec(NamedTuple):
    """A way to turn samples (H, W, C) into bytes and back."""

    encode: Callable[[Samples], bytes]
    decode: Callable[[bytes], Samples]
    takes: Callable[[Samples], bool]
    """Whether it codes samples of this type and shape."""


class Row(NamedTuple):
    """One codec on one image."""

    file: str
    codec: str
    pixels: int
    samples: int
    bytes: int
    encode_seconds: float
    decode_seconds: float
    exact: bool


def make_codecs(options: api.Options, efforts: Sequence[int]) -> dict[str, Codec]:
    """List hpac and the peers that are installed; JPEG XL once for each effort."""
    session = api.Session(options)
    codecs = {"hpac": Codec(lambda a: _hpac_encode(a, session), lambda d: _hpac_decode(d, session), lambda _: True)}
    codecs["png"] = _pillow("png", lambda a: _fits(a, 2) and (a.dtype == np.uint8 or a.shape[2] == 1), optimize=True)
    codecs["webp"] = _pillow("webp", lambda a: _fits(a, 1), lossless=True, quality=100, method=6, exact=True)
    try:
        import imagecodecs
    except ImportError:
        return codecs
    for effort in efforts:
        codecs[f"jxl-e{effort}"] = Codec(
            lambda a, e=effort: bytes(imagecodecs.jpegxl_encode(_flat(a), lossless=True, effort=e)),  # type: ignore[misc]
            imagecodecs.jpegxl_decode,
            lambda a: _fits(a, 2),
        )
    codecs["jpeg-ls"] = Codec(
        lambda a: bytes(imagecodecs.jpegls_encode(_flat(a))),
        imagecodecs.jpegls_decode,
        lambda a: _fits(a, 2) and a.shape[2] in (1, 3) and min(a.shape[:2]) > 1,
    )
    codecs["jpeg2000"] = Codec(
        lambda a: bytes(imagecodecs.jpeg2k_encode(_flat(a), level=0, reversible=True)),
        imagecodecs.jpeg2k_decode,
        lambda a: _fits(a, 2),
    )
    return codecs


def _fits(samples: Samples, size: int) -> bool:
    return samples.dtype.kind == "u" and samples.dtype.itemsize <= size and samples.shape[2] <= 4


def _flat(samples: Samples) -> Samples:
    return np.ascontiguousarray(samples[..., 0] if samples.shape[2] == 1 else samples)


def _hpac_encode(samples: Samples, session: api.Session) -> bytes:
    stream = io.BytesIO()
    session.encode(from_array(samples), stream)
    return stream.getvalue()


def _hpac_decode(data: bytes, session: api.Session) -> Samples:
    return session.decode(session.open(io.BytesIO(data))).frames[0]


def _pillow(name: str, takes: Callable[[Samples], bool], **options: Any) -> Codec:
    from PIL import Image as PillowImage

    def encode(samples: Samples) -> bytes:
        file = io.BytesIO()
        PillowImage.fromarray(_flat(samples)).save(file, name, **options)
        return file.getvalue()

    def decode(data: bytes) -> Samples:
        picture = PillowImage.open(io.BytesIO(data))
        return np.asarray(picture)

    return Codec(encode, decode, takes)


def measure(name: str, codec_name: str, codec: Codec, samples: Samples) -> Row:
    """Round-trip one image through one codec."""
    start = time.perf_counter()
    data = codec.encode(samples)
    middle = time.perf_counter()
    decoded = codec.decode(data)
    end = time.perf_counter()
    if decoded.ndim == 3 and samples.shape[2] == 1:
        decoded = decoded[..., :1]  # WebP gives grey back as RGB
    exact = np.array_equal(decoded.reshape(samples.shape) if decoded.size == samples.size else decoded, samples)
    pixels = samples.shape[0] * samples.shape[1]
    return Row(name, codec_name, pixels, samples.size, len(data), middle - start, end - middle, exact)


def find_images(paths: list[Path]) -> Iterator[Path]:
    """List files, those of folders in name order."""
    for path in paths:
        yield from sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def to_unsigned(samples: Samples) -> Samples:
    """Shift signed integers to begin at 0, so that peers without signed samples can take them."""
    if samples.dtype.kind != "i":
        return samples
    unsigned = np.dtype(f"u{samples.dtype.itemsize}")
    shifted: Samples = samples.astype(unsigned) - unsigned.type(int(samples.min()) % (1 << 8 * samples.dtype.itemsize))
    return shifted


def run(paths: list[Path], options: api.Options, efforts: Sequence[int], report: Path | None) -> bool:
    """Measure every frame of every image with every codec that takes it, and print a table.

    Returns:
        Whether hpac gave back every image exactly.
    """
    codecs = make_codecs(options, efforts)
    rows: list[Row] = []
    for path in find_images(paths):
        try:
            frames = images.read(path.read_bytes(), options.limits).frames
        except (OSError, HpacError) as error:
            print(f"hpac: {path}: {error}; left out", file=sys.stderr)
            continue
        for number, frame in enumerate(frames):
            samples = to_unsigned(frame)
            name = f"{path}" if len(frames) == 1 else f"{path} frame {number}"
            measured = [measure(name, key, codec, samples) for key, codec in codecs.items() if codec.takes(samples)]
            rows += measured
            hpac = measured[0]
            print(
                f"{name}: {8 * hpac.bytes / hpac.samples:.4f} bpsp, {'exact' if hpac.exact else 'NOT EXACT'}",
                file=sys.stderr,
                flush=True,
            )
    if not rows:
        print("hpac: there were no images to measure", file=sys.stderr)
        return False
    _print_table(rows)
    if report is not None:
        report.write_text(json.dumps([row._asdict() for row in rows], indent=1) + "\n")
    return all(row.exact for row in rows if row.codec == "hpac")


def _print_table(rows: list[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    ours = {row.file: row.bytes for row in rows if row.codec == "hpac"}
    table = Table("codec", "images", "bytes", "bpsp", "hpac is smaller by", "encode MP/s", "decode MP/s", "exact")
    for codec in dict.fromkeys(row.codec for row in rows):
        mine = [row for row in rows if row.codec == codec]
        size, pixels = sum(r.bytes for r in mine), sum(r.pixels for r in mine) / 1e6
        same = sum(ours[r.file] for r in mine)
        table.add_row(
            codec,
            f"{len(mine)}",
            f"{size:,}",
            f"{8 * size / sum(r.samples for r in mine):.4f}",
            "" if codec == "hpac" else f"{1 - same / size:.1%}",
            f"{pixels / sum(r.encode_seconds for r in mine):.3f}",
            f"{pixels / sum(r.decode_seconds for r in mine):.3f}",
            f"{sum(r.exact for r in mine)}/{len(mine)}",
        )
    Console().print(table)
