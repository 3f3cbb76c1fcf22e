"""hpac: lossless image compression with HPAC, exact on every machine.

>>> import hpac_cli
>>> data = hpac_cli.encode(array)   # integers or floats, (H, W), (H, W, C) or (N, H, W, C)
>>> array = hpac_cli.decode(data)
"""

from .api import decode, encode

__all__ = ["decode", "encode"]
__version__ = "0.1.0"
