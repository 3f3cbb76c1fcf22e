"""Paths in, paths out, and arrays in memory: the one door to the codec.

Nothing here imports numpy or torch before it is needed, so that `hpac --help` and
`hpac info` stay quick.
"""

from hpac_cli.codec.efforts import DEFAULT, EFFORTS, KEYFRAME, Effort

from .arrays import decode, encode
from .decoding import decompress, decompress_member, decompress_part, verify
from .encoding import Expected, check, check_round_trip, compress, estimate, map_code_lengths
from .existing import held_by
from .facts import LIKENESSES, Entry, compare, inspect, list_file
from .lazy import FrameArray
from .names import SUFFIX, default_output, list_decoded
from .opened import Picture, open_picture
from .parts import Region
from .rebuilding import rebuild
from .salvaging import salvage
from .series import Input, check_series, compress_series, decode_series, encode_series, estimate_series
from .session import NOTHING, Options, Progress, Result, Session, Step
from .streams import hash_stream, same_bytes

__all__ = [
    "DEFAULT",
    "EFFORTS",
    "KEYFRAME",
    "LIKENESSES",
    "NOTHING",
    "SUFFIX",
    "Effort",
    "Entry",
    "Expected",
    "FrameArray",
    "Input",
    "Options",
    "Picture",
    "Progress",
    "Region",
    "Result",
    "Session",
    "Step",
    "check",
    "check_round_trip",
    "check_series",
    "compare",
    "compress",
    "compress_series",
    "decode",
    "decode_series",
    "decompress",
    "decompress_member",
    "decompress_part",
    "default_output",
    "encode",
    "encode_series",
    "estimate",
    "estimate_series",
    "hash_stream",
    "held_by",
    "inspect",
    "list_decoded",
    "list_file",
    "map_code_lengths",
    "open_picture",
    "rebuild",
    "salvage",
    "same_bytes",
    "verify",
]
