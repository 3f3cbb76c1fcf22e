"""Sizes and speed beside other codecs, on the same samples, each checked for exactness."""

import io
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpac_cli import api, images
from hpac_cli.errors import HpacError


class Codec(NamedTuple):
    """A way to turn samples (H, W, C) uint8 into bytes and back."""

    encode: Callable[[NDArray[np.uint8]], bytes]
    decode: Callable[[bytes], NDArray[np.uint8]]


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
    codecs = {"hpac": Codec(lambda a: _hpac_encode(a, session), lambda d: _hpac_decode(d, session))}
    codecs["png"] = _pillow("png", optimize=True)
    codecs["webp"] = _pillow("webp", lossless=True, quality=100, method=6, exact=True)
    try:
        import imagecodecs
    except ImportError:
        return codecs
    for effort in efforts:
        codecs[f"jxl-e{effort}"] = Codec(
            lambda a, e=effort: bytes(imagecodecs.jpegxl_encode(a.squeeze(), lossless=True, effort=e)),  # type: ignore[misc]
            lambda d: imagecodecs.jpegxl_decode(d),
        )
    return codecs


def _hpac_encode(samples: NDArray[np.uint8], session: api.Session) -> bytes:
    from hpac_cli.image import Image

    stream = io.BytesIO()
    session.encode(Image(samples, 8, "array"), stream)
    return stream.getvalue()


def _hpac_decode(data: bytes, session: api.Session) -> NDArray[np.uint8]:
    return session.decode(session.open(io.BytesIO(data))).samples


def _pillow(name: str, **options: Any) -> Codec:
    from PIL import Image as PillowImage

    def encode(samples: NDArray[np.uint8]) -> bytes:
        file = io.BytesIO()
        PillowImage.fromarray(samples.squeeze()).save(file, name, **options)
        return file.getvalue()

    def decode(data: bytes) -> NDArray[np.uint8]:
        picture = PillowImage.open(io.BytesIO(data))
        return np.asarray(picture)

    return Codec(encode, decode)


def measure(name: str, codec_name: str, codec: Codec, samples: NDArray[np.uint8]) -> Row:
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
    """List PNG files, those of folders in name order."""
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.suffix.lower() == ".png")
        else:
            yield path


def run(paths: list[Path], options: api.Options, efforts: Sequence[int], report: Path | None) -> bool:
    """Measure every image with every codec and print a table.

    Returns:
        Whether hpac gave back every image exactly.
    """
    codecs = make_codecs(options, efforts)
    rows: list[Row] = []
    for path in find_images(paths):
        try:
            samples = images.read(path.read_bytes(), options.limits).samples
        except (OSError, HpacError) as error:
            print(f"hpac: {path}: {error}; left out", file=sys.stderr)
            continue
        rows += [measure(str(path), name, codec, samples) for name, codec in codecs.items()]
        hpac = rows[-len(codecs)]
        print(
            f"{path}: {8 * hpac.bytes / hpac.samples:.4f} bpsp, {'exact' if hpac.exact else 'NOT EXACT'}",
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

    ours = sum(row.bytes for row in rows if row.codec == "hpac")
    table = Table("codec", "bytes", "bpsp", "hpac is smaller by", "encode MP/s", "decode MP/s", "exact")
    for codec in dict.fromkeys(row.codec for row in rows):
        mine = [row for row in rows if row.codec == codec]
        size, pixels = sum(r.bytes for r in mine), sum(r.pixels for r in mine) / 1e6
        table.add_row(
            codec,
            f"{size:,}",
            f"{8 * size / sum(r.samples for r in mine):.4f}",
            "" if codec == "hpac" else f"{1 - ours / size:.1%}",
            f"{pixels / sum(r.encode_seconds for r in mine):.3f}",
            f"{pixels / sum(r.decode_seconds for r in mine):.3f}",
            f"{sum(r.exact for r in mine)}/{len(mine)}",
        )
    Console().print(table)
