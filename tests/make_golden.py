"""Writes a set of golden files. Run it by hand, only when the format or the kind of networks changes: old files stay.

python tests/make_golden.py NAME [adapted | networks | turned]
"""

import functools
import hashlib
import io
import json
import struct
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from conftest import CONTENTS, DATA, make_other_photograph, save_png
from PIL import Image as PillowImage

from hpac_cli import api, images
from hpac_cli.codec.adapters import pack_adapter
from hpac_cli.codec.encode import encode_image
from hpac_cli.codec.networks import Networks
from hpac_cli.container.fields import Adapted, Frame
from hpac_cli.images.npy import from_array
from hpac_cli.model.adapters import LayerAdapter, adaptable_layers

GOLDEN = Path(__file__).parent / "golden"


def pictures() -> dict[str, tuple[bytes, int]]:
    """PNG bytes and tile size by name."""
    photograph = np.asarray(PillowImage.open(DATA / "kodim23.png"))
    part = photograph[160:200, 300:350]
    rng = np.random.default_rng(23)
    palette = io.BytesIO()
    PillowImage.fromarray(part).quantize(40).save(palette, "png", transparency=3, gamma=0.45)
    alpha = np.where(np.indices((40, 50)).sum(0) > 40, 255, np.arange(50)).astype(np.uint8)
    found = {
        "rgb": (save_png(part), 128),
        "rgb-small-tiles": (save_png(part), 16),
        "rgb-one-pixel": (save_png(part[:1, :1]), 128),
        "rgb-one-row": (save_png(photograph[70:71, :90]), 128),
        "rgb-one-column": (save_png(photograph[70:160, 90:91]), 32),
        "rgba": (save_png(np.dstack([part, alpha])), 128),
        "grey": (save_png(part[..., 1]), 32),
        "grey-alpha": (save_png(np.dstack([part[..., 0], alpha])), 24),
        "palette": (palette.getvalue(), 128),
        "grey-16": (save_png(part[..., 1].astype(np.uint16) * 257), 128),
    }
    rows, columns = np.indices((48, 64))
    drawing = np.stack([rows // 12 * 60, (rows + columns) // 9 % 2 * 200, np.full_like(rows, 30)], 2).astype(np.uint8)
    found |= {
        "graphics": (save_png(drawing), 128),
        "graphics-alpha": (save_png(np.dstack([drawing, drawing[..., 1]])), 128),
        "graphics-grey": (save_png(drawing[..., 0]), 128),
        "interlaced-bits": (_interlaced(), 128),
    }
    found |= {f"made-by-{kind}": (save_png(lossy(part, kind)), 128) for kind in ("jpeg", "webp")}
    strange = part.copy()
    strange[5:8, 9] = 1, 254, 3
    strange[30, 20:] = 255, 255, 254
    found |= {
        "made-with-exceptions": (save_png(strange), 32),
        "made-with-alpha": (save_png(np.dstack([lossy(part, "jpeg"), alpha])), 128),
        "rgb-not-made": (save_png(make_other_photograph(part)), 128),
    }
    return found | {f"grey-{name}": (save_png(make(rng, (21, 33))), 128) for name, make in CONTENTS.items()}


def lossy(samples: np.ndarray, kind: str) -> np.ndarray:
    """What a lossy format's decoder makes of samples."""
    file = io.BytesIO()
    PillowImage.fromarray(make_other_photograph(samples)).save(file, kind, quality=88)
    return np.asarray(PillowImage.open(file).convert("RGB"))


def _interlaced() -> bytes:
    """A 1-bit Adam7 file, which comes back with the same bytes."""
    shape, seven = (
        (9, 13),
        [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)],
    )
    bits = np.indices(shape).prod(0) % 3 == 0
    rows = [row for y, x, down, right in seven for row in bits[y::down, x::right]]
    body = zlib.compress(b"".join(b"\0" + np.packbits(row).tobytes() for row in rows))
    header = struct.pack(">IIBBBBB", shape[1], shape[0], 1, 0, 0, 0, 1)
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    framed = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def arrays() -> dict[str, np.ndarray]:
    """Arrays of types that no PNG has, by name."""
    rng = np.random.default_rng(7)
    photograph = np.asarray(PillowImage.open(DATA / "kodim23.png"))[160:190, 300:340].astype(np.int64)
    grey = photograph.sum(2)
    return {
        "u2-12-bits": (5 * grey).astype(np.uint16),
        "u2-packed": (rng.permutation(65536)[: grey.max() + 1][grey]).astype(np.uint16),
        "u2-rgb": (photograph * 200 + rng.integers(0, 200, photograph.shape)).astype(np.uint16),
        "i2-offset": (3 * grey - 1500).astype(np.int16),
        "i4": (grey * 100_003 - 5_000_000).astype(np.int32),
        "u8-constant": np.full((5, 7, 4), 1 << 40, np.uint64),
        "f2": (grey / 765).astype(np.float16),
        "f4": np.sqrt(grey[:20, :20]).astype(np.float32),
        "f8-noise": rng.normal(size=(9, 11)),
        "u1-bits": (grey > 380).astype(np.uint8),
        "u1-noise": rng.integers(0, 256, (11, 13, 5)).astype(np.uint8),
        "u2-graphics": (rng.integers(0, 3, (6, 8)).repeat(5, 0).repeat(5, 1) * 9000).astype(np.uint16),
        "u2-slope": (np.arange(40)[:, None] * 700 + np.arange(30) * 90).astype(np.uint16),
        "u1-stripes": np.tile(rng.integers(0, 256, 90).astype(np.uint8), (70, 1)),
        "u4-graphics": (rng.integers(0, 1 << 32, (6, 8)).repeat(5, 0).repeat(5, 1)).astype(np.uint32),
        "u1-frames": np.stack([photograph, photograph[::-1]]).astype(np.uint8)[:, :16, :16],
    }


def turn_parts(frames: tuple[Frame, ...], orientation: int) -> tuple[tuple[Frame, ...], tuple[Adapted, ...]]:
    """Turn all tiles, those of later parts another way."""
    turned = (
        replace(f, parts=tuple(replace(p, orientation=(orientation + i) % 8) for i, p in enumerate(f.parts)))
        for f in frames
    )
    return tuple(turned), ()


def change_weights(frames: tuple[Frame, ...], networks: Networks) -> tuple[tuple[Frame, ...], tuple[Adapted, ...]]:
    """Adapt weights at random, which needs no training, with ranks from 0 to 2, steps from 1 to 4 and an escape."""
    adapters, names = [], {}
    for digest in sorted({part.weights_digest for frame in frames for part in frame.parts if part.weights_digest}):
        rng, change = np.random.default_rng(4), {}
        for number, layer in enumerate(adaptable_layers(networks.by_digest(digest).shape)):
            rank, step, name = number % 3, number % 4 + 1, layer.name
            sizes = (layer.outputs, layer.outputs, (layer.outputs, rank), (rank, layer.inputs))
            change[name] = LayerAdapter(*(rng.integers(-2, 3, size) for size in sizes))
            change[name].bias[1] = 40 * (-1) ** number
            change[name] = change[name]._replace(gain=step * change[name].gain, bias=step * change[name].bias)
        adapters.append(Adapted(digest, pack_adapter(change)))
        names[digest] = networks.merged(adapters[-1]).digest()
    renamed = tuple(
        replace(f, parts=tuple(replace(p, weights_digest=names.get(p.weights_digest, b"")) for p in f.parts))
        for f in frames
    )
    return renamed, tuple(adapters)


def enlarged() -> dict[str, np.ndarray]:
    """Arrays for adapted weights, by name."""
    part = PillowImage.open(DATA / "kodim23.png").crop((300, 160, 330, 180))
    large = np.asarray(part.resize((44, 30), PillowImage.Resampling.BICUBIC))
    return {
        "rgb": large,
        "luma-chroma-alpha": np.dstack([lossy(large, "jpeg"), large[..., 1]]),
        "grey": large[..., 1],
        "grey-12-bits": large.astype(np.uint16).sum(2) * 5,
    }


def small() -> dict[str, np.ndarray]:
    """Arrays for a new kind of networks, by name."""
    photograph = np.asarray(PillowImage.open(DATA / "kodim23.png"))
    part = photograph[170:202, 310:350]
    return {
        "rgb": make_other_photograph(part),
        "rgb-one-row": make_other_photograph(photograph[70:71, :60]),
        "rgb-one-column": make_other_photograph(photograph[70:130, 90:91]),
        "luma-chroma": lossy(part, "jpeg"),
        "grey": part[..., 1],
        "grey-12-bits": part.astype(np.uint16).sum(2) * 5,
        "noise": np.random.default_rng(5).integers(0, 200, (9, 30, 3)).astype(np.uint8),
    }


def turned() -> dict[str, np.ndarray]:
    """Arrays for turned tiles, by name, which ends with the orientation."""
    photograph = np.asarray(PillowImage.open(DATA / "kodim23.png"))
    part = photograph[170:192, 310:341]
    found = {f"rgb-{o}": make_other_photograph(part) for o in range(1, 8)}
    alpha = np.arange(part[..., 0].size).reshape(part.shape[:2]).astype(np.uint8)
    return found | {
        "luma-chroma-alpha-4": np.dstack([lossy(part, "jpeg"), alpha]),
        "grey-12-bits-5": part.astype(np.uint16).sum(2) * 5,
    }


def main(name: str, what: str) -> None:
    """Encode every picture with the shipped weights, some with changed ones, or a few with new ones or turned."""
    folder = GOLDEN / name
    folder.mkdir(parents=True)
    manifest = {}
    adapted = what == "adapted"
    if adapted:
        files = {name: (from_array(array), 128) for name, array in enlarged().items()}
    elif what == "turned":
        files = {name: (from_array(array), 24) for name, array in turned().items()}
    elif what == "networks":
        files = {name: (from_array(array), 24) for name, array in small().items()}
    else:
        files = {name: (images.read(data), tile) for name, (data, tile) in pictures().items()}
        files |= {name: (from_array(array), 32) for name, array in arrays().items()}
    for name, (image, tile) in files.items():
        stream = io.BytesIO()
        session = api.Session(api.Options(tile=tile))
        adapt = functools.partial(change_weights, networks=session.networks) if adapted else None
        if what == "turned":
            adapt = functools.partial(turn_parts, orientation=int(name[-1]))
        encode_image(image, stream, networks=session.networks, tile=tile, adapt=adapt)
        (folder / f"{name}.hpac").write_bytes(stream.getvalue())
        manifest[name] = {
            "tile": tile,
            "tiles": sorted({t.mode.name for t in session.open(io.BytesIO(stream.getvalue())).tiles()}),
            "weights": {kind: session.networks.digest(kind).hex() for kind in api.NETWORKS},
            "shapes": [frame.shape for frame in image.frames],
            "samples": hashlib.sha256(b"".join(frame.tobytes() for frame in image.frames)).hexdigest(),
            "envelope": hashlib.sha256(image.envelope).hexdigest(),
            "file": hashlib.sha256(stream.getvalue()).hexdigest(),
        }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], [*sys.argv, "all"][2])
