"""The code length that the float network estimates for whole images, to hold integers against.

python -m hpac_cli.training.estimate rgb-medium.checkpoint FOLDER [TILE]
"""

import sys
from pathlib import Path

import numpy as np
import torch

from hpac_cli import images

from .config import read_config
from .planes import to_planes
from .train import read_checkpoint
from .twin import Hpac


def load_average(checkpoint: Path) -> Hpac:
    """Load the moving average of a checkpoint, whose name is that of its config."""
    net = Hpac(read_config(checkpoint.stem).network)
    net.load_state_dict(read_checkpoint(checkpoint)["average"])
    return net


@torch.no_grad()
def estimate(net: Hpac, path: Path, tile: int, *, quantise: bool) -> tuple[float, int]:
    """Bits that the network gives one PNG file's samples in independent tiles, and their number."""
    (samples,) = images.read(path.read_bytes(), transcode=True).frames
    bits = 0.0
    for y in range(0, samples.shape[0], tile):
        for x in range(0, samples.shape[1], tile):
            part = samples[y : y + tile, x : x + tile].transpose(2, 0, 1).astype(np.int32)
            bits += net(to_planes(torch.from_numpy(part))[:, None], 8, quantise).double().sum().item()
    return bits, samples.size


def main() -> None:
    """Print bits per sub-pixel with and without quantisation in the loop."""
    checkpoint, folder, tile = Path(sys.argv[1]), Path(sys.argv[2]), int([*sys.argv, "128"][3])
    net = load_average(checkpoint)
    paths = sorted(folder.glob("*.png"))
    for quantise in (False, True):
        results = [estimate(net, path, tile, quantise=quantise) for path in paths]
        bits, samples = (sum(column) for column in zip(*results, strict=True))
        print(f"{'quantised' if quantise else 'float'}: {bits / samples:.4f} bpsp over {len(paths)} images")


if __name__ == "__main__":
    main()
