"""What do we refuse to allocate, however valid it looks?"""

from dataclasses import dataclass, replace

from .errors import UsageError

_BASE_BYTES = 400 << 20
"""What Python, torch, the weights and the tiles at work take."""
_BYTES_PER_SAMPLE_BYTE = 4
"""Copies of the samples that are alive at the same time, at most: file, samples, written again, compared."""


@dataclass(frozen=True)
class Limits:
    """Upper bounds, checked before anything of that size is allocated."""

    max_pixels: int = 1 << 28
    """Pixels of all frames of a file (268 million)."""
    max_side: int = 1 << 24
    """Rows or columns."""
    max_channels: int = 1 << 16
    max_frames: int = 1 << 16
    max_sample_bytes: int = 2 << 30
    """Samples of all frames of a file."""
    max_metadata_bytes: int = 256 << 20
    """What a source file carries beside its samples."""

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


DEFAULT_LIMITS = Limits()
