"""What do we refuse to allocate, however valid it looks?"""

from dataclasses import dataclass


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


DEFAULT_LIMITS = Limits()
