"""The commands: what a user types, and the exit code that comes back."""

import contextlib
import os
import signal
import sys
from typing import Any, NoReturn

from . import bench, check, compare, decode, encode, info, listing, train, verify
from .app import app
from .report import INTERRUPTED, ending_quietly, silence

_COMMANDS = (bench, check, compare, decode, encode, info, listing, train, verify)
"""Each registers itself with the program when it is imported."""


def _stop(number: int, _frame: Any) -> NoReturn:
    sys.exit(128 + number)


def _open_closed_streams() -> None:
    """Take the numbers of standard streams that are closed, or a file that is opened would get what is written to them.

    Reading and writing them fails as if they were closed still; what is said to a closed standard error is lost.
    """
    for number, (name, access) in enumerate((("stdin", os.O_WRONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_RDWR))):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, access)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115


def _run() -> Any:
    """Do what the command line says; return the exit code."""
    with ending_quietly():
        try:
            app(prog_name="hpac")
        except SystemExit as stop:
            return stop.code or 0
        except KeyboardInterrupt:
            return INTERRUPTED
    return 0


def main() -> NoReturn:
    """Run the command line; temporary files are gone however it ends, but for a kill -9."""
    _open_closed_streams()
    signal.signal(signal.SIGTERM, _stop)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, _stop)
    code = _run()
    with ending_quietly():
        try:
            sys.stdout.flush()
        except OSError:
            if not code:
                raise
            silence()
    if "torch" in sys.modules and isinstance(code, int):
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)  # all files are closed by now, and unloading torch takes 0.4 s
    sys.exit(code)
