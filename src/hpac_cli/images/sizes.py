"""Sizes of source files, from what .hpac files hold beside the samples; nothing is decoded, and numpy not loaded."""

from hpac_cli.binary import Fields
from hpac_cli.errors import InputError

_SIGNATURE_BYTES, _CHUNK_BYTES, _HEADER_BYTES = 8, 12, 13
"""Of PNG: the signature, a chunk beside its data, and the data of IHDR."""
_PLAIN_BYTES = _SIGNATURE_BYTES + 2 * _CHUNK_BYTES + _HEADER_BYTES
"""Of a PNG file of IHDR and IEND alone."""
_SHORT_SKELETONS = (0, 3)
"""Bytes of skeletons that stand for such files (docs/format.md)."""


def source_bytes(kind: str, envelope: bytes, sample_bytes: int) -> int | None:
    """Bytes of the file that decoding gives, of an image with frames; None where only decoding tells.

    Args:
        kind: a key of images.SUFFIXES.
        sample_bytes: of all frames, which is what an array takes.

    Raises:
        InputError: the envelope is damaged.
    """
    if kind == "png":
        return _png_bytes(envelope)
    return sample_bytes if kind.startswith("array") else _cut_bytes(envelope)


def _png_bytes(envelope: bytes) -> int | None:
    fields = Fields(envelope or b"\0", InputError, "the stored envelope")
    recipe, skeleton = Fields(fields.string(), InputError, "the stored recipe"), fields.rest()
    if not recipe.bytes_left:
        return None  # the deflate stream is made afresh
    recipe.take(2)
    lengths = [recipe.varint() for _ in range(min(recipe.varint(), recipe.bytes_left))]
    around = _PLAIN_BYTES if len(skeleton) in _SHORT_SKELETONS else len(skeleton) - _CHUNK_BYTES
    return around + sum(_CHUNK_BYTES + length for length in lengths)


def _cut_bytes(envelope: bytes) -> int:
    """Of a file with its samples cut out (images.splice)."""
    fields = Fields(envelope, InputError, "the stored envelope")
    size, is_wrapped = fields.varint(), fields.varint()
    if not is_wrapped:
        return size
    start = fields.varint()
    for _ in range(3):  # head, parameters, correction
        fields.string()
    return start + fields.varint() + len(fields.string())
