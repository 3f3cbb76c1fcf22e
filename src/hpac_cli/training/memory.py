"""Memory that training frees is kept for its next update."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Parameters of glibc's mallopt(3)."""


def keep_memory() -> None:
    """Tell glibc to keep what is freed, where glibc it is.

    Else it hands large blocks back at once and gets them again page by page, an eighth of an update's time.
    """
    if sys.platform.startswith("linux") and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_MMAP_MAX, 0)
        libc.mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
