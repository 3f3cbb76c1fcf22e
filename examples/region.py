"""Reads one region of a large picture, decoding only the tiles that it touches, and saves it as PNG.

python region.py SLIDE.tif.hpac X Y WIDTH HEIGHT PART.png
"""

import sys

from PIL import Image

import hpac_cli

name, *numbers, part = sys.argv[1:]
x, y, width, height = map(int, numbers)

with hpac_cli.open(name) as picture:  # a path, a URL (with fsspec), or a stream that seeks
    print(f"{name}: {picture.num_frames} frames, the first picture {picture.shape} of {picture.dtype}")
    samples = picture.read(region=(x, y, width, height))

if samples.shape[2] == 1:
    samples = samples[..., 0]
Image.fromarray(samples).save(part)
print(f"{part}: {samples.shape}, mean {samples.mean():.2f}")
