"""hpac: lossless image compression with HPAC, exact on every machine.

>>> import hpac_cli
>>> data = hpac_cli.encode(array)   # integers or floats, (H, W), (H, W, C) or (N, H, W, C)
>>> array = hpac_cli.decode(data)
>>> data = hpac_cli.encode_series(files)   # of whole files, bytes by name
>>> files = hpac_cli.decode_series(data)
"""

from .api import decode, decode_series, encode, encode_series

__all__ = ["decode", "decode_series", "encode", "encode_series"]
__version__ = "0.1.0"
