"""Arrays to .hpac bytes and back, in memory."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from hpac_cli.codec.efforts import DEFAULT
from hpac_cli.errors import UnsupportedError
from hpac_cli.limits import DEFAULT_LIMITS, Limits

from .session import Options, Session, check_tile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hpac_cli.image import Image


def encode(
    array: NDArray[Any],
    *,
    effort: int = DEFAULT,
    tile: int = 0,
    adapt: str = "",
    backend: str = "",
    limits: Limits = DEFAULT_LIMITS,
) -> bytes:
    """Encode an array to .hpac bytes in memory.

    Args:
        array: (H, W), (H, W, C) or (N, H, W, C) of unsigned, signed or float numbers of 1 to 8 bytes;
            up to 16 bits are coded by the network, more as compressed bytes.
        effort: 1 to 9: higher is smaller and takes longer; `hpac encode --help` lists them.
        tile: tile side in pixels, even, 8 to 1024; 0 for one that suits the image.
        adapt: "brief", "fast", "full" or "longest" adapts the weights to the array, "off" never; "" as the effort says.
        backend: instruction set of the core, or "" for the fastest exact one; all give the same bytes.
        limits: what `decode` will be given, so that nothing is encoded that it would refuse.

    Raises:
        UnsupportedError: another shape or type, or a masked array.
        LimitExceededError: larger than limits allow.
        UsageError: an impossible effort, tile size or backend.
    """
    import numpy as np

    from hpac_cli.container.fields import SAMPLE_TYPES
    from hpac_cli.images.npy import from_array

    if isinstance(array, np.ma.MaskedArray):
        raise UnsupportedError("a masked array, whose mask would be lost; encode its data and its mask")
    array = np.asarray(array)
    sample_type = f"{array.dtype.kind}{array.dtype.itemsize}"
    if sample_type not in SAMPLE_TYPES or array.ndim not in (2, 3, 4) or 0 in array.shape:
        raise UnsupportedError(
            f"array of type {array.dtype} and shape {array.shape}; hpac takes integers and floats of up to 64 bits, "
            "(H, W), (H, W, C) or (N, H, W, C)"
        )
    check_tile(tile)
    stream = io.BytesIO()
    image = from_array(array)
    Session(Options(effort=effort, tile=tile, adapt=adapt, backend=backend, limits=limits)).encode(image, stream)
    return stream.getvalue()


def decode(data: bytes, *, backend: str = "", limits: Limits = DEFAULT_LIMITS) -> NDArray[Any]:
    """Decode .hpac bytes to an array of the type and shape that was encoded.

    Files become (H, W, C), or (N, H, W, C) if they hold several pictures of one shape and type; thumbnails are left out.
    Of a series, the pictures of all files follow one another.

    Raises:
        UnsupportedError: a file whose samples are not coded and cannot be, or with pictures that differ in shape or type.
        HpacError: ContainerError, ModelError or LimitExceededError of errors.py.
    """
    import numpy as np

    from hpac_cli.images import see
    from hpac_cli.images.npy import to_array

    image = see(_decode_bytes(data, Session(Options(backend=backend, limits=limits))))
    try:
        return np.require(to_array(image), requirements=["W", "O"])
    except ValueError as error:
        raise UnsupportedError(f"this file is not one array: {error}") from error


def _decode_bytes(data: bytes, session: Session) -> Image:
    return session.decode(session.open(io.BytesIO(data)))
