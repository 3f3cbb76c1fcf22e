"""Which backend does this machine get? The fastest that passes a self-test against the reference."""

import os
from functools import cache

import numpy as np
import torch

from hpac_cli.errors import UsageError
from hpac_cli.model.weights import IntegerLayer

from .base import Arithmetic
from .float32 import Float32
from .int8 import Int8
from .reference import Reference

BACKENDS: dict[str, type[Int8] | type[Float32] | type[Reference]] = {
    "int8": Int8,
    "float32": Float32,
    "reference": Reference,
}
"""By name, fastest first."""


def make_backend(name: str, device: torch.device) -> Arithmetic:
    """Make the backend of that name.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in BACKENDS:
        raise UsageError(f"no backend {name!r}; there are {', '.join(BACKENDS)}")
    return BACKENDS[name](device)


def choose_backend(device: torch.device) -> Arithmetic:
    """Make the backend that HPAC_BACKEND names, else the fastest that computes exactly here."""
    name = os.environ.get("HPAC_BACKEND", "")
    if name:
        return make_backend(name, device)
    return make_backend(_fastest_exact(device), device)


@cache
def _fastest_exact(device: torch.device) -> str:
    for name in BACKENDS:
        if is_exact(make_backend(name, device), device):
            return name
    raise AssertionError("the reference equals itself")


def is_exact(backend: Arithmetic, device: torch.device) -> bool:
    """Compare one layer with the reference: at the extremes of int8, where some processors
    saturate, and for single rows, whose strides some kernels misread."""
    rng = np.random.default_rng(0)
    inputs, outputs = 96, 32
    layer = IntegerLayer(
        rng.choice(np.array([-127, -126, 1, 126, 127], np.int8), (outputs, inputs)),
        rng.integers(-(1 << 16), 1 << 16, outputs, dtype=np.int32),
        rng.integers(4, 12, outputs, dtype=np.int32),
    )
    for rows in (1, 3, 64):
        features = torch.from_numpy(rng.choice(np.array([-127, 0, 126, 127], np.int32), (inputs, rows))).to(device)
        computed, expected = (b.outputs(b.prepare(layer), b.lift(features)) for b in (backend, Reference(device)))
        if not torch.equal(computed, expected):
            return False
    return True
