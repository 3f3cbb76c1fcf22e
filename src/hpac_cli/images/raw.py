"""Raw samples to `Image`: files without a header, which lie as the user says."""

from dataclasses import replace

from hpac_cli.errors import InputError
from hpac_cli.image import Image, RawSamples
from hpac_cli.limits import Limits, Tally

from .layout import Layout, Place, count_frames
from .source import Source
from .splice import cut


def read(file: Source, raw: RawSamples, limits: Limits) -> Image:
    """Read a file of samples; as many frames as it has room for.

    Raises:
        InputError: the file is no whole number of frames.
        LimitExceededError: larger than limits allow.
    """
    size = len(file)
    if not size or size % raw.frame_bytes:
        raise InputError(f"its {size:,} bytes are no whole number of frames of {raw.frame_bytes:,} bytes")
    frames = cut_frames(raw, size // raw.frame_bytes, 0, limits)
    return cut("raw", file, frames)


def cut_frames(raw: RawSamples, frames: int, offset: int, limits: Limits) -> list[Layout]:
    """Layouts of frames that follow one another.

    Raises:
        LimitExceededError: larger than limits allow.
    """
    height, width = raw.height, raw.width
    layout = Layout(height, width, raw.channels, raw.bits, raw.kind, height, width, (), little=raw.little)
    count_frames(layout, Tally(limits), frames)
    size = raw.frame_bytes
    return [replace(layout, places=(Place(offset + number * size, size),)) for number in range(frames)]
