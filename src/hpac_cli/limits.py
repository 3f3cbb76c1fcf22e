"""What do we refuse to allocate, however valid it looks?"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Upper bounds, checked before anything of that size is allocated."""

    max_pixels: int = 1 << 28
    """Pixels of one image (268 million)."""
    max_side: int = 1 << 24
    """Rows or columns."""
    max_metadata_bytes: int = 64 << 20
    """What a source file carries beside its samples."""


DEFAULT_LIMITS = Limits()
