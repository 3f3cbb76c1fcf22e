"""Paths in, paths out, and arrays in memory: the one door to the codec.

Nothing here imports numpy or torch before it is needed, so that `hpac --help` and
`hpac info` stay quick.
"""

from hpac_cli.codec.efforts import DEFAULT, EFFORTS, KEYFRAME, Effort

from .arrays import decode, encode
from .decoding import Region, decompress, decompress_part, rebuild, verify
from .encoding import check, check_round_trip, compress, estimate, map_code_lengths
from .facts import LIKENESSES, Entry, compare, inspect, list_file
from .names import SUFFIX, default_output, name_decoded
from .salvaging import salvage
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
    "Options",
    "Progress",
    "Region",
    "Result",
    "Session",
    "Step",
    "check",
    "check_round_trip",
    "compare",
    "compress",
    "decode",
    "decompress",
    "decompress_part",
    "default_output",
    "encode",
    "estimate",
    "hash_stream",
    "inspect",
    "list_file",
    "map_code_lengths",
    "name_decoded",
    "rebuild",
    "salvage",
    "same_bytes",
    "verify",
]
