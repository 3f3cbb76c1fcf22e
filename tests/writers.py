"""Files by many writers, and what becomes of them: samples coded with the same bytes back, kept whole, or refused.

    python tests/writers.py make FOLDER PHOTOGRAPH...   # needs the writers that it is to use, and no hpac
    python tests/writers.py report PATH... [--json FILE]

`make` uses whatever is installed of Pillow, tifffile, imagecodecs, opencv-python-headless, pyvips, rasterio, zopfli,
pyoxipng, isal, zlib-ng and deflate. `report` encodes every file with `api`, without and with transcoding, decodes it,
and compares all bytes; FOLDER/WRITER/FILE counts for WRITER.
"""

import argparse
import collections
import importlib
import io
import json
import struct
import sys
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

Deflater = Callable[[bytes], bytes]


def png_with(samples: Any, deflate: Deflater, filter_type: int) -> bytes:
    """A PNG file of (H, W) or (H, W, 3) uint8 whose stream another deflater makes; filter 0 none, 1 left, 2 above."""
    import numpy as np

    rows = samples.reshape(len(samples), -1)
    step = samples.shape[2] if samples.ndim == 3 else 1
    if filter_type == 1:
        rows = np.concatenate([rows[:, :step], rows[:, step:] - rows[:, :-step]], axis=1)
    if filter_type == 2:
        rows = np.concatenate([rows[:1], rows[1:] - rows[:-1]])
    plain = b"".join(bytes([filter_type]) + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", samples.shape[1], len(samples), 8, 2 if step == 3 else 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", deflate(plain)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def _saved(picture: Any, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def by_pillow(samples: Any) -> Iterator[tuple[str, bytes]]:
    from PIL import Image

    picture = Image.fromarray(samples)
    yield "default.png", _saved(picture, "png")
    yield "optimised.png", _saved(picture, "png", optimize=True)
    yield "fast.png", _saved(picture, "png", compress_level=1)
    yield "palette.png", _saved(picture.quantize(200), "png")
    for name in ("raw", "tiff_lzw", "packbits", "tiff_adobe_deflate", "zstd", "lzma"):
        yield f"{name}.tif", _saved(picture, "tiff", compression=name)


def by_zlib(samples: Any) -> Iterator[tuple[str, bytes]]:
    for level in (1, 6, 9):
        yield f"level{level}.png", png_with(samples, lambda plain, level=level: zlib.compress(plain, level), 1)


def by_opencv(samples: Any) -> Iterator[tuple[str, bytes]]:
    import cv2

    for name, suffix, flags in (
        ("default", ".png", []),
        ("level9", ".png", [cv2.IMWRITE_PNG_COMPRESSION, 9]),
        ("default", ".tif", []),
        ("deflate", ".tif", [cv2.IMWRITE_TIFF_COMPRESSION, 32946]),
    ):
        yield name + suffix, cv2.imencode(suffix, samples[..., ::-1], flags)[1].tobytes()


def by_imagecodecs(samples: Any) -> Iterator[tuple[str, bytes]]:
    import imagecodecs

    for level in (1, 6):
        yield f"png{level}.png", imagecodecs.png_encode(samples, level=level)
    yield "apng.png", imagecodecs.apng_encode(samples)
    for level in (1, 3, 6, 9):
        yield (
            f"libdeflate{level}.png",
            png_with(samples, lambda p, level=level: imagecodecs.deflate_encode(p, level), 2),
        )


def by_tifffile(samples: Any) -> Iterator[tuple[str, bytes]]:
    import tifffile

    for name, options in (
        ("raw", {}),
        ("tiled", {"tile": (64, 64)}),
        ("deflate", {"compression": "zlib", "predictor": True}),
        ("deflate-tiled", {"compression": "zlib", "tile": (64, 64)}),
        ("lzw", {"compression": "lzw", "predictor": True}),
        ("packbits", {"compression": "packbits"}),
        ("big-endian-planar", {"byteorder": ">", "planarconfig": "separate"}),
        ("zstd", {"compression": "zstd"}),
    ):
        file = io.BytesIO()
        pixels = samples.transpose(2, 0, 1).copy() if "planar" in name else samples
        tifffile.imwrite(file, pixels, photometric="rgb", **options)
        yield f"{name}.tif", file.getvalue()


def by_libvips(samples: Any) -> Iterator[tuple[str, bytes]]:
    import pyvips

    picture = pyvips.Image.new_from_array(samples)
    yield "default.png", picture.pngsave_buffer()
    yield "filtered.png", picture.pngsave_buffer(filter="all", compression=9)
    yield "interlaced.png", picture.pngsave_buffer(interlace=True)
    for compression in ("none", "deflate", "lzw", "packbits"):
        yield f"{compression}.tif", picture.tiffsave_buffer(compression=compression, predictor="horizontal")
    yield "pyramid.tif", picture.tiffsave_buffer(compression="deflate", tile=True, pyramid=True)


def by_gdal(samples: Any) -> Iterator[tuple[str, bytes]]:
    import rasterio
    from rasterio.io import MemoryFile

    facts = {"width": samples.shape[1], "height": len(samples), "count": 3, "dtype": "uint8"}
    for name, driver, options in (
        ("default.png", "PNG", {}),
        ("raw.tif", "GTiff", {}),
        ("deflate.tif", "GTiff", {"compress": "deflate", "predictor": 2}),
        ("deflate-tiled.tif", "GTiff", {"compress": "deflate", "tiled": True, "blockxsize": 64, "blockysize": 64}),
        ("lzw.tif", "GTiff", {"compress": "lzw"}),
        ("packbits.tif", "GTiff", {"compress": "packbits"}),
        ("cog.tif", "COG", {"compress": "deflate"}),
    ):
        with MemoryFile() as memory:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
                with memory.open(driver=driver, **facts, **options) as file:
                    file.write(samples.transpose(2, 0, 1))
            yield name, memory.read()


def by_zopfli(samples: Any) -> Iterator[tuple[str, bytes]]:
    import zopfli.zlib

    yield "zopfli.png", png_with(samples, lambda plain: zopfli.zlib.compress(plain, numiterations=3), 1)


def by_oxipng(samples: Any) -> Iterator[tuple[str, bytes]]:
    import oxipng

    plain = png_with(samples, lambda plain: zlib.compress(plain, 1), 0)
    for level in (1, 2, 4):
        yield f"level{level}.png", oxipng.optimize_from_memory(plain, level=level)


def by_isal(samples: Any) -> Iterator[tuple[str, bytes]]:
    from isal import isal_zlib

    for level in (0, 1, 2, 3):
        yield f"level{level}.png", png_with(samples, lambda p, level=level: isal_zlib.compress(p, level), 1)


def by_zlib_ng(samples: Any) -> Iterator[tuple[str, bytes]]:
    from zlib_ng import zlib_ng

    for level in (1, 2, 4, 6, 9):
        yield f"level{level}.png", png_with(samples, lambda p, level=level: zlib_ng.compress(p, level), 1)


def by_libdeflate(samples: Any) -> Iterator[tuple[str, bytes]]:
    import deflate

    for level in (1, 6, 9, 12):
        yield f"level{level}.png", png_with(samples, lambda p, level=level: bytes(deflate.zlib_compress(p, level)), 2)


WRITERS = {
    "Pillow": ("PIL", by_pillow),
    "zlib": ("zlib", by_zlib),
    "OpenCV": ("cv2", by_opencv),
    "imagecodecs": ("imagecodecs", by_imagecodecs),
    "tifffile": ("tifffile", by_tifffile),
    "libvips": ("pyvips", by_libvips),
    "GDAL": ("rasterio", by_gdal),
    "zopfli": ("zopfli", by_zopfli),
    "oxipng": ("oxipng", by_oxipng),
    "ISA-L": ("isal", by_isal),
    "zlib-ng": ("zlib_ng", by_zlib_ng),
    "libdeflate": ("deflate", by_libdeflate),
}
"""Name to the module that it needs, and what it writes of (H, W, 3) uint8 samples: names and files."""


def make(folder: Path, photographs: list[Path]) -> None:
    """Let every writer that is installed write each photograph."""
    import numpy as np
    from PIL import Image

    for name, (module, write) in WRITERS.items():
        try:
            importlib.import_module(module)
        except ImportError:
            print(f"{name}: not installed", file=sys.stderr)
            continue
        (folder / name).mkdir(parents=True, exist_ok=True)
        for photograph in photographs:
            samples = np.asarray(Image.open(photograph).convert("RGB"))
            for file, data in write(samples):
                (folder / name / f"{photograph.stem}-{file}").write_bytes(data)


class Fate(NamedTuple):
    """What became of one file."""

    end: str
    """bytes, in part, whole, refused or LOST."""
    why: str
    """Why samples were kept, or the file refused."""
    beside: int
    """Bytes of the envelope, packed."""
    transcoded: str
    """The same with transcoding: fresh where that helped, else empty."""
    seconds: float


def find_fate(path: Path, work: Path) -> Fate:
    """Encode one file, decode it, and compare all bytes."""
    from hpac_cli import api, images
    from hpac_cli.errors import HpacError
    from hpac_cli.kept import Kept

    session = api.Session(api.Options(force=True, verify=False))
    coded, back, start = work / "coded.hpac", work / "back", time.monotonic()
    try:
        api.compress(str(path), str(coded), session)
        facts = api.inspect(str(coded))
        api.decompress(str(coded), str(back.with_suffix(path.suffix or ".bin")), session)
    except HpacError as error:
        return Fate("refused", str(error), 0, "", time.monotonic() - start)
    (made,) = work.glob("back*")
    same = made.read_bytes() == path.read_bytes()
    made.unlink()
    why = Kept[facts["kept"].upper()].why if facts["kept"] else ""
    end = "LOST" if not same else "bytes" if not why else "in part" if facts["frames"] else "whole"
    transcoded = ""
    if facts["kept"] and Kept[facts["kept"].upper()].can_transcode:
        try:
            transcoded = "" if images.read(path.read_bytes(), transcode=True).identical else "fresh"
        except HpacError as error:
            transcoded = str(error)
    return Fate(end, why, facts["bytes"]["metadata"], transcoded, time.monotonic() - start)


def report(paths: list[Path], out: Path | None) -> bool:
    """Print a table; False if a file did not come back."""
    files = [f for p in paths for f in (sorted(p.rglob("*")) if p.is_dir() else [p]) if f.is_file()]
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    reasons: collections.Counter[str] = collections.Counter()
    rows = []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for file in files:
            fate = find_fate(file, Path(folder))
            counts[file.parent.name][fate.end] += 1
            counts[file.parent.name]["transcoded"] += fate.transcoded == "fresh"
            reasons[f"{fate.end}: {fate.why}"] += bool(fate.why)
            rows.append({"file": str(file), "size": file.stat().st_size, **fate._asdict()})
    ends = ("bytes", "in part", "whole", "refused", "LOST", "transcoded")
    print(f"| files | {' | '.join(ends)} |\n|{'---|' * (len(ends) + 1)}")
    for name, count in counts.items():
        total = sum(count[end] for end in ends[:-1])
        print(f"| {name}, {total} | {' | '.join(str(count[end]) for end in ends)} |")
    for reason, number in reasons.most_common():
        if number:
            print(f"{number:5} {reason}")
    if out is not None:
        out.write_text(json.dumps(rows, indent=1))
    return not any(count["LOST"] for count in counts.values())


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    making = actions.add_parser("make")
    making.add_argument("folder", type=Path)
    making.add_argument("photographs", type=Path, nargs="+")
    reporting = actions.add_parser("report")
    reporting.add_argument("paths", type=Path, nargs="+")
    reporting.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.action == "make":
        make(options.folder, options.photographs)
    elif not report(options.paths, options.json):
        sys.exit("a file did not come back")


if __name__ == "__main__":
    main()
