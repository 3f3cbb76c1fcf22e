"""The commands: what a user types, and the exit code that comes back."""

import contextlib
import os
import signal
import sys
from typing import Any, NoReturn

from . import bench, check, compare, decode, encode, info, listing, train, verify
from .app import app
from .report import INTERRUPTED

_COMMANDS = (bench, check, compare, decode, encode, info, listing, train, verify)
"""Each registers itself with the program when it is imported."""


def _stop(number: int, _frame: Any) -> NoReturn:
    sys.exit(128 + number)


def main() -> NoReturn:
    """Run the command line; temporary files are gone however it ends, but for a kill -9."""
    signal.signal(signal.SIGTERM, _stop)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, _stop)
    try:
        app(prog_name="hpac")
        code: Any = 0
    except SystemExit as stop:
        code = stop.code or 0
    except KeyboardInterrupt:
        code = INTERRUPTED
    if "torch" in sys.modules and isinstance(code, int):
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)  # all files are closed by now, and unloading torch takes 0.4 s
    sys.exit(code)
