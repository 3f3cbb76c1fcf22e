"""Limits: what is refused for its size, however valid it looks."""

from dataclasses import dataclass, replace

from .errors import LimitExceededError, UsageError

_BASE_BYTES = 400 << 20
"""What Python, torch, the weights and the tiles at work take."""
_BYTES_PER_SAMPLE_BYTE = 4
"""Copies of the samples that are alive at the same time, at most, as where a file is transcoded: file, samples, written
again, compared. Else there is one."""


@dataclass(frozen=True)
class Limits:
    """Upper bounds, checked before anything of that size is allocated."""

    max_pixels: int = 178_956_970
    """Pixels of all frames of a file, as many as Pillow takes."""
    max_side: int = 1 << 24
    """Rows or columns."""
    max_channels: int = 1 << 16
    max_frames: int = 1 << 16
    max_segments: int = 1 << 19
    """Strips, tiles and planes in which the frames of a file lie."""
    max_sample_bytes: int = 1 << 30
    """Samples of all frames of a file, whether coded or constant."""
    max_metadata_bytes: int = 256 << 20
    """What a source file carries beside its samples; container.fields says how much of that may be made of little."""

    @classmethod
    def within(cls, *, pixels: int = 0, memory_bytes: int = 0) -> "Limits":
        """Tighten or widen the bounds.

        Args:
            pixels: of all frames of a file; 0 keeps the default.
            memory_bytes: that hpac may take, about; 0 keeps the default.

        Raises:
            UsageError: less memory than hpac needs for any file.
        """
        chosen = cls()
        if pixels:
            chosen = replace(chosen, max_pixels=pixels)
        if memory_bytes:
            if memory_bytes <= _BASE_BYTES:
                raise UsageError(f"--max-memory must be more than the {_BASE_BYTES >> 20} MB that every file takes")
            room = (memory_bytes - _BASE_BYTES) // _BYTES_PER_SAMPLE_BYTE
            chosen = replace(chosen, max_sample_bytes=room, max_metadata_bytes=min(room, cls.max_metadata_bytes))
        return chosen


class Tally:
    """Adds up what the frames of one file claim, so that limits hold for all of them together."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._frames = self._pixels = self._segments = self._bytes = 0

    def add(
        self, width: int, height: int, channels: int, sample_bytes: int, *, frames: int = 1, segments: int = 1
    ) -> None:
        """Count frames that are alike, before anything is allocated for them.

        Args:
            sample_bytes: of one frame.
            segments: of one frame.

        Raises:
            LimitExceededError: all frames so far are together larger than limits allow.
        """
        self._frames += frames
        self._pixels += frames * width * height
        self._segments += frames * segments
        self._bytes += frames * sample_bytes
        for name, value, limit in (
            ("frames", self._frames, self._limits.max_frames),
            ("pixels a side", max(width, height), self._limits.max_side),
            ("pixels in all", self._pixels, self._limits.max_pixels),
            ("channels", channels, self._limits.max_channels),
            ("strips or tiles", self._segments, self._limits.max_segments),
            ("bytes of samples", self._bytes, self._limits.max_sample_bytes),
        ):
            if value > limit:
                raise LimitExceededError(
                    f"{self._frames:,} frame{'s' * (self._frames > 1)}, the last of {width} x {height} pixels: "
                    f"{value:,} {name}; the limit is {limit:,}"
                )


DEFAULT_LIMITS = Limits()

MAX_IMAGE_BYTES = 4 << 30
"""Files of more are never read into memory as a whole."""
