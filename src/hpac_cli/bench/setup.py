"""What figures depend on: machine, versions, options, and when they were made."""

import datetime
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from hpac_cli import __version__, api
from hpac_cli.batch.pool import can_fork

Setup = dict[str, str | int]
"""Names to values, in the order in which they are shown."""

_LIBRARIES = ("libjxl", "charls", "openjpeg", "libavif")
"""Those of imagecodecs that are measured, as imagecodecs calls them."""


def describe(session: api.Session, command: str) -> Setup:
    """Everything that figures depend on.

    Args:
        command: that was given, for whoever wants to repeat it.

    Raises:
        UsageError: there is no such backend.
        ModelError: the core is missing.
    """
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command,
        "processor": _name_processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "threads": max(1, session.options.threads),
        "side_by_side": count_side_by_side(session.options),
        "backend": session.networks.unit,
        "hpac": __version__,
        "python": platform.python_version(),
        **_name_libraries(),
    }


def count_side_by_side(options: api.Options) -> int:
    """Files of a batch that are worked on at once: one for each thread, where the system can fork."""
    return max(1, options.threads) if can_fork() else 1


def explain(setup: Setup) -> Sequence[str]:
    """What each figure is, in a few sentences."""
    threads, together = setup["threads"], setup["side_by_side"]
    return (
        "Speeds are megapixels a second of coding alone: everything was loaded and had coded a picture before, and "
        "samples lie in memory.",
        f"encode, decode: one image at a time, the median of up to five runs. hpac spreads its tiles over {threads} "
        f"thread{'s' * (threads != 1)}, every other codec has one.",
        f"batch: the images of a folder side by side, up to {together} at once, each with one thread, hpac and others "
        "alike.",
        "peak: memory that coding one image took beyond what was in use before, at its highest.",
    )


def _name_processor() -> str:
    if sys.platform.startswith("linux"):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _name_libraries() -> dict[str, str]:
    """The versions of the other codecs, as far as they tell."""
    import PIL
    from PIL import features

    found = {"pillow": PIL.__version__}
    for shown, asked in (("libwebp", "webp"), ("zlib-ng", "zlib_ng"), ("zlib", "zlib")):
        if (version := features.version(asked)) and not (shown == "zlib" and "zlib-ng" in found):
            found[shown] = version
    try:
        import imagecodecs
    except ImportError:
        return found
    inside = imagecodecs.version(dict)
    return {**found, "imagecodecs": imagecodecs.__version__, **{n: inside[n] for n in _LIBRARIES if n in inside}}
