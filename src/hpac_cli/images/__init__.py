"""Image files to `Image` and back, by what the bytes say, never by the file's name."""

from hpac_cli.errors import InputError, UnsupportedError
from hpac_cli.image import Image
from hpac_cli.limits import DEFAULT_LIMITS, Limits

SUFFIXES = {"png": ".png", "array": ".npy", "array2d": ".npy"}
"""What a decoded file of each kind is called."""

_FOREIGN = (
    (b"II*\0", 0, "TIFF"),
    (b"MM\0*", 0, "TIFF"),
    (b"II+\0", 0, "BigTIFF"),
    (b"MM\0+", 0, "BigTIFF"),
    (b"DICM", 128, "DICOM"),
    (b"\xff\xd8\xff", 0, "JPEG"),
    (b"RIFF", 0, "WebP or another RIFF file"),
    (b"GIF8", 0, "GIF"),
    (b"\x89HPAC", 0, "an .hpac file already"),
)


def read(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Image:
    """Read an image file.

    Raises:
        InputError: damaged, or no image.
        UnsupportedError: an image that this version does not take.
        LimitExceededError: larger than limits allow.
    """
    from . import png

    if png.is_png(data):
        return png.read(data, limits)
    for magic, offset, name in _FOREIGN:
        if data[offset : offset + len(magic)] == magic:
            raise UnsupportedError(f"this is {name}; this version takes PNG")
    raise InputError("this is no PNG file")


def write(image: Image) -> bytes:
    """Write an image as the kind of file that it came from."""
    from . import npy, png

    return png.write(image) if image.kind == "png" else npy.write(image)
