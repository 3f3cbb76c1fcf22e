"""hpac: lossless image compression with HPAC, exact on every machine.

>>> import hpac_cli
>>> data = hpac_cli.encode(array)   # integers or floats, (H, W), (H, W, C) or (N, H, W, C)
>>> array = hpac_cli.decode(data)
>>> data = hpac_cli.encode_series(files)   # of whole files, bytes by name
>>> files = hpac_cli.decode_series(data)
>>> with hpac_cli.open("scan.dcm.hpac") as picture:   # or a URL, or a stream that seeks
...     part = picture.read(region=(0, 512, 256, 256), frame=3)
"""

from .api import FrameArray, Picture, decode, decode_series, encode, encode_series
from .api import open_picture as open
from .errors import (
    ContainerError,
    DecoderMissingError,
    FileAccessError,
    HpacError,
    IncompleteError,
    InputError,
    LimitExceededError,
    MissingPackageError,
    ModelError,
    NewerVersionError,
    OutputExistsError,
    RoundTripError,
    UnsupportedError,
    UsageError,
)
from .limits import Limits

__all__ = [
    "ContainerError",
    "DecoderMissingError",
    "FileAccessError",
    "FrameArray",
    "HpacError",
    "IncompleteError",
    "InputError",
    "LimitExceededError",
    "Limits",
    "MissingPackageError",
    "ModelError",
    "NewerVersionError",
    "OutputExistsError",
    "Picture",
    "RoundTripError",
    "UnsupportedError",
    "UsageError",
    "decode",
    "decode_series",
    "encode",
    "encode_series",
    "open",
]
__version__ = "0.1.0"
