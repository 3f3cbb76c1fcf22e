"""Pages of a TIFF file that are pictures, rather than thumbnails, reduced copies of others, or masks.

Source: TIFF 6.0, NewSubfileType and SubfileType; DNG 1.7, "SubIFD trees"; Aperio's SVS, whose first page is the slide.
"""

import logging
from collections.abc import Sequence
from typing import Any

from hpac_cli.errors import HpacError, InputError, UnsupportedError
from hpac_cli.image import Samples
from hpac_cli.kept import Kept

from . import splice
from .tiff import walk

_NEW_SUBFILE_TYPE, _SUBFILE_TYPE = 254, 255
_REDUCED, _MASK = 1, 4
"""Bits of NewSubfileType."""
_OLD_REDUCED = 2


def find_main(envelope: bytes, frames: Sequence[Samples], kept: Kept) -> list[int]:
    """Numbers of the frames that are pictures, in the order of their pages; all of them if the file tells of none.

    Args:
        frames: all of the file, or anything of their shapes and types.
        kept: why other pages are no frames.

    Raises:
        UnsupportedError: a picture is no frame.
        InputError: the envelope is damaged.
    """
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    layouts, file = splice.outline(envelope, frames)
    numbers = {p.offset: n for n, layout in reversed(list(enumerate(layouts))) for p in layout.places if p.length}
    try:
        with file, tifffile.TiffFile(file, name="picture.tif") as opened:
            ifds = list(walk(opened.pages))
            main = ifds[:1] if opened.is_svs else [ifd for ifd in ifds if _is_picture(ifd)]
            if not main or (len(ifds) == 1 and len(frames) > 1):  # one directory tells of all planes of a hyperstack
                return list(range(len(frames)))
            found = [_frame_of(ifd, numbers) for ifd in main]
    except HpacError:
        raise
    except Exception as error:  # tifffile raises whatever the damage leads to
        raise InputError(f"TIFF damaged: {error or type(error).__name__}") from error
    missing = [index for index, number in enumerate(found) if number is None]
    if missing:
        raise UnsupportedError(
            f"page {ifds.index(main[missing[0]]) + 1} was kept as it is, since {kept.why or Kept.SHARED.why}; "
            "decode the file as it is and convert that, or choose another page with --frame"
        )
    return [number for number in found if number is not None]


def _is_picture(ifd: Any) -> bool:
    tags = {tag.code: tag.value for tag in ifd.tags}
    return not int(tags.get(_NEW_SUBFILE_TYPE, 0)) & (_REDUCED | _MASK) and tags.get(_SUBFILE_TYPE, 0) != _OLD_REDUCED


def _frame_of(ifd: Any, numbers: dict[int, int]) -> int | None:
    return next((numbers[offset] for offset in ifd.dataoffsets if offset in numbers), None)
