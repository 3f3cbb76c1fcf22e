"""Which arithmetic computes the integer network? Several, all with the same results to the last bit."""

from .base import Arithmetic, Matrix
from .choose import BACKENDS, choose_backend, make_backend

__all__ = ["BACKENDS", "Arithmetic", "Matrix", "choose_backend", "make_backend"]
