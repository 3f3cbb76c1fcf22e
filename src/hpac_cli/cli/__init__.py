"""Words, progress and exit codes: the command line."""

from .main import main

__all__ = ["main"]
