"""Image to .hpac bytes: tile by tile, each written as soon as it is coded."""

import hashlib
import zlib
from collections.abc import Callable
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray

from hpac_cli.container.build import Writer
from hpac_cli.container.fields import Header, Part, TileMode
from hpac_cli.image import Image
from hpac_cli.intnet.planes import to_planes

from .kinds import KINDS
from .networks import Networks
from .tiles import Box, encode_tile, tile_boxes
from .workers import spread

DEFAULT_TILE = 128
_WORTH_A_NETWORK = 16
"""A deflated tile smaller than one byte per so many samples is flat; the network is not asked."""


def split_channels(channels: int) -> tuple[int, ...]:
    """Divide an image's channels into parts: RGB together, everything else alone."""
    return (3,) + (1,) * (channels - 3) if channels >= 3 else (1,) * channels


def encode_image(
    image: Image,
    stream: BinaryIO,
    *,
    networks: Networks,
    tile: int = DEFAULT_TILE,
    workers: int = 1,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Write an image as a container.

    Args:
        stream: binary, need not seek.
        workers: processes to spread the tiles over.
        progress: called with the number of samples done since the last call.
    """
    height, width, channels = image.samples.shape
    names = [("grey", 1) if count == 1 else ("rgb", 3) for count in split_channels(channels)]
    parts = tuple(Part(networks.digest(name), count) for name, count in names)
    writer = Writer(stream, Header(KINDS[image.kind], width, height, image.bit_depth, tile, parts))
    writer.metadata(image.skeleton)

    def work(box: Box, advance: Callable[[int], None]) -> list[tuple[TileMode, bytes]]:
        samples = image.samples[box.y : box.y + box.height, box.x : box.x + box.width]
        payloads, first = [], 0
        for part in parts:
            payloads.append(_encode_part(samples[..., first : first + part.channels], image.bit_depth, part, networks))
            first += part.channels
        advance(samples.size)
        return payloads

    boxes = list(tile_boxes(height, width, tile))
    for payloads in spread(work, boxes, workers=min(workers, len(boxes)), advance=progress):
        for mode, payload in payloads:
            writer.tile(mode, payload)
    writer.end(hash_samples(image.samples))


def _encode_part(samples: NDArray[np.uint8], bit_depth: int, part: Part, networks: Networks) -> tuple[TileMode, bytes]:
    deflated = zlib.compress(np.ascontiguousarray(samples).tobytes(), 9)
    if len(deflated) * _WORTH_A_NETWORK <= samples.size:
        return TileMode.DEFLATE, deflated
    network = networks.by_digest(part.weights_digest)
    planes = to_planes(torch.from_numpy(samples.transpose(2, 0, 1).astype(np.int32)).to(network.device))
    coded = encode_tile(network, planes, bit_depth)
    return (TileMode.DEFLATE, deflated) if len(deflated) < len(coded) else (TileMode.NETWORK, coded)


def hash_samples(samples: NDArray[np.uint8]) -> bytes:
    """SHA-256 of the samples in (H, W, C) order."""
    return hashlib.sha256(np.ascontiguousarray(samples).data).digest()
