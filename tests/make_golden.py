"""Writes tests/golden anew. Run it by hand, only when a format version is added: old files stay.

python tests/make_golden.py VERSION
"""

import hashlib
import io
import json
import sys
from pathlib import Path

import numpy as np
from conftest import CONTENTS, DATA, save_png
from PIL import Image as PillowImage

from hpac_cli import api, images
from hpac_cli.images.npy import from_array

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
    return found | {f"grey-{name}": (save_png(make(rng, (21, 33))), 128) for name, make in CONTENTS.items()}


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
        "u1-frames": np.stack([photograph, photograph[::-1]]).astype(np.uint8)[:, :16, :16],
    }


def main(version: str) -> None:
    """Encode every picture with the shipped weights."""
    folder = GOLDEN / version
    folder.mkdir(parents=True)
    manifest = {}
    files = {name: (images.read(data), tile) for name, (data, tile) in pictures().items()}
    files |= {name: (from_array(array), 32) for name, array in arrays().items()}
    for name, (image, tile) in files.items():
        stream = io.BytesIO()
        session = api.Session(api.Options(tile=tile))
        session.encode(image, stream)
        (folder / f"{name}.hpac").write_bytes(stream.getvalue())
        manifest[name] = {
            "tile": tile,
            "weights": {kind: session.networks.digest(kind).hex() for kind in ("rgb", "grey")},
            "shapes": [frame.shape for frame in image.frames],
            "samples": hashlib.sha256(b"".join(frame.tobytes() for frame in image.frames)).hexdigest(),
            "envelope": hashlib.sha256(image.envelope).hexdigest(),
            "file": hashlib.sha256(stream.getvalue()).hexdigest(),
        }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
