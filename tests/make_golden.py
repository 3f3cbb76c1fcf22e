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
    }
    return found | {f"grey-{name}": (save_png(make(rng, (21, 33))), 128) for name, make in CONTENTS.items()}


def main(version: str) -> None:
    """Encode every picture with the shipped weights."""
    folder = GOLDEN / version
    folder.mkdir(parents=True)
    manifest = {}
    for name, (data, tile) in pictures().items():
        image = images.read(data)
        stream = io.BytesIO()
        api.Session(api.Options(tile=tile)).encode(image, stream)
        (folder / f"{name}.hpac").write_bytes(stream.getvalue())
        manifest[name] = {
            "tile": tile,
            "shape": image.samples.shape,
            "samples": hashlib.sha256(image.samples.tobytes()).hexdigest(),
            "skeleton": hashlib.sha256(image.skeleton).hexdigest(),
            "file": hashlib.sha256(stream.getvalue()).hexdigest(),
        }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
