"""SARP-FT: weights are adapted to one image while it is encoded, and the change travels in its file."""

from hpac_cli.training import require_torch

__all__ = ["require_torch"]
