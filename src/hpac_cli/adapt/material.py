"""What of an image one set of weights codes: its tiles, to be measured, and crops to train on."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpac_cli.codec.cells import find_shifts, unpack_cells
from hpac_cli.codec.colours import to_triples
from hpac_cli.codec.encode import encode_part
from hpac_cli.codec.networks import Networks
from hpac_cli.codec.references import Known
from hpac_cli.codec.tiles import Box, tile_boxes
from hpac_cli.codec.turning import turn
from hpac_cli.codec.values import Values, to_ordered
from hpac_cli.container.fields import MAX_REFERENCES, Frame
from hpac_cli.image import Samples
from hpac_cli.training.inputs import References
from hpac_cli.training.planes import to_planes


class Place(NamedTuple):
    """One tile of one part of one frame."""

    frame: int
    part: int
    row: int
    column: int
    """Counted in tiles."""
    box: Box


class Crop(NamedTuple):
    """A square of a tile's frame, as the float twin takes it."""

    planes: Tensor
    """(P, 1, h, w) int32."""
    bit_depth: int
    shifts: Tensor | None
    """How far the cells of values are shifted, as training.code_length takes them."""
    references: References | None


class Material:
    """All tiles of an image that one set of weights codes."""

    def __init__(self, images: Sequence[Samples], frames: Sequence[Frame], digest: bytes) -> None:
        """List them.

        Args:
            images: (H, W, C) samples of each frame.
            frames: how they are to be coded.
            digest: of the weights.
        """
        self.digest, self._images, self._frames = digest, images, frames
        self._known = Known(frames, images)
        self.places = [
            Place(index, part, box.y // frame.tile, box.x // frame.tile, box)
            for index, frame in enumerate(frames)
            for part, plan in enumerate(frame.parts)
            if plan.weights_digest == digest
            for box in tile_boxes(frame.height, frame.width, frame.tile)
        ]
        self._values = {
            (place.frame, place.part): Values(frames[place.frame].parts[place.part]) for place in self.places
        }

    @property
    def num_samples(self) -> int:
        """Samples of all tiles."""
        return sum(
            place.box.height * place.box.width * self._frames[place.frame].parts[place.part].channels
            for place in self.places
        )

    def crop(self, place: Place, y: float, x: float, side: int) -> Crop:
        """Cut a square out of a tile's frame, around a point at some share, 0 to 1, of the tile's height and width.

        It is turned as the tile will be, and smaller than `side` only where the frame is.
        """
        frame, part = self._frames[place.frame], self._frames[place.frame].parts[place.part]
        height, width = min(side, frame.height), min(side, frame.width)
        top = min(max(0, place.box.y + int(y * place.box.height) - side // 2), frame.height - height)
        left = min(max(0, place.box.x + int(x * place.box.width) - side // 2), frame.width - width)
        around = place._replace(box=Box(top, left, height, width))
        coded = self._coded(around)
        if part.colours:
            coded, _ = to_triples(coded, part.colours)
        samples = torch.from_numpy(np.ascontiguousarray(turn(coded, part.orientation).transpose(2, 0, 1)))
        shifts = find_shifts(unpack_cells(part.cells, part.channels, part.bit_depth)) if part.cells else None
        return Crop(
            to_planes(samples)[:, None],
            part.bit_depth,
            None if shifts is None else torch.from_numpy(shifts),
            self._references(around),
        )

    def _references(self, place: Place) -> References | None:
        part = self._frames[place.frame].parts[place.part]
        if not part.references:
            return None
        told = [turn(plane, part.orientation) for plane in self._known.told(place.frame, part, place.box)]
        there = torch.tensor([[number < len(told)] for number in range(MAX_REFERENCES)])
        told += [told[0]] * (MAX_REFERENCES - len(told))
        return References(torch.from_numpy(np.stack(told))[:, None], there)

    def measure(self, place: Place, networks: Networks, digest: bytes) -> int:
        """Count the bytes that a tile takes when it is coded with other weights, by integers as in the file."""
        part = replace(self._frames[place.frame].parts[place.part], weights_digest=digest)
        told = self._known.told(place.frame, part, place.box)
        return len(encode_part(self._coded(place), part, networks, told).payload)

    def _coded(self, place: Place) -> NDArray[Any]:
        box, channels = place.box, self._frames[place.frame].channels_of[place.part]
        samples = self._images[place.frame][box.y : box.y + box.height, box.x : box.x + box.width, channels]
        return self._values[place.frame, place.part].to_coded(to_ordered(samples)).astype(np.int32)
