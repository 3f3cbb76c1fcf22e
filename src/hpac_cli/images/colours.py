"""Samples as pictures: what a file's samples mean, so that conversions show the same, or say why they cannot.

Source: PNG, ISO/IEC 15948:2004, 11.2.3 and 11.3.2; TIFF 6.0, PhotometricInterpretation, ColorMap and ExtraSamples;
DICOM PS3.3, C.7.6.3.1.
"""

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from hpac_cli.errors import InputError, UnsupportedError
from hpac_cli.image import Samples

from . import bmp, dicom, png, pnm, splice, tiff
from .layout import Layout

_MINISWHITE, _MINISBLACK, _RGB, _PALETTE, _MASK = range(5)
_UNASSOCIATED = 2
_MAX_PICTURE = 4
"""Channels that could be taken for colours and alpha."""
_TIFF_NAMES = {
    5: "CMYK or other inks",
    6: "YCbCr",
    8: "CIELab",
    9: "ICCLab",
    10: "ITULab",
    32803: "a colour filter array",
}


def show(kind: str, envelope: bytes, frames: Sequence[Samples], chosen: Mapping[int, Samples]) -> tuple[Samples, ...]:
    """Turn stored samples into grey, grey and alpha, RGB, or RGBA, where they are a picture of another kind.

    Args:
        kind, envelope: of the image.
        frames: all of it, or anything of their shapes and types.
        chosen: samples of these frames, or of parts of them, (H, W, C).

    Raises:
        UnsupportedError: their colours have no exact counterpart.
        InputError: the envelope is damaged.
    """
    if kind == "png":
        return tuple(_show_png(envelope, frames[number], samples) for number, samples in chosen.items())
    if kind not in ("tiff", "dicom", "pnm", "bmp"):
        return tuple(chosen.values())
    layouts, file = splice.outline(envelope, frames)
    with file:
        if kind == "pnm":
            return tuple(_show_pnm(_header_of(file, layouts, n), samples) for n, samples in chosen.items())
        if kind == "bmp":
            head = file.read(layouts[0].places[-1].offset)
            return tuple(_show_bmp(head, samples) for samples in chosen.values())
        if kind == "dicom":
            photometric, stored = dicom.find_colours(file)
            return tuple(_show_dicom(layouts[n], photometric, stored, samples) for n, samples in chosen.items())
        offsets = [next((place.offset for place in layouts[n].places if place.length), 0) for n in chosen]
        meanings = tiff.find_colours(file, offsets)
    return tuple(_show_tiff(layouts[n], m, s) for (n, s), m in zip(chosen.items(), meanings, strict=True))


def see(kind: str, envelope: bytes, frames: Sequence[Samples], chosen: Mapping[int, Samples]) -> tuple[Samples, ...]:
    """Turn coded samples into those that other readers see, colours untouched.

    What lies above the stored bits of DICOM's words is left out, and chroma that two pixels share is given to both.

    Args:
        kind, envelope, frames, chosen: as of show.

    Raises:
        InputError: the envelope is damaged.
    """
    if not needs_a_look(kind, [frame.shape[2] for frame in frames]):
        return tuple(chosen.values())
    layouts, file = splice.outline(envelope, frames)
    with file:
        photometric, _ = dicom.find_colours(file)
    return tuple(_see_dicom(layouts[n], photometric, samples) for n, samples in chosen.items())


def needs_a_look(kind: str, channels: Sequence[int]) -> bool:
    """Whether frames of so many channels may hold other samples than other readers see; if not, `see` changes nothing."""
    return kind == "dicom" and any(count % 2 == 0 for count in channels)


def pixels_per_column(kind: str, envelope: bytes, frames: Sequence[Samples], frame: int) -> int:
    """How many pixels lie side by side in a column of the coded samples: two where they share their chroma.

    Raises:
        InputError: the envelope is damaged.
    """
    if not needs_a_look(kind, [f.shape[2] for f in frames]):
        return 1
    layouts, file = splice.outline(envelope, frames)
    with file:
        photometric, _ = dicom.find_colours(file)
    return 2 if _shares_chroma(layouts[frame], photometric) else 1


def shapes_seen(envelope: bytes, shapes: Sequence[tuple[tuple[int, int, int], Any]]) -> list[tuple[int, int, int]]:
    """What `see` makes of the shapes (H, W, C) of a DICOM file's frames.

    Args:
        shapes: and types, of all frames.

    Raises:
        InputError: the envelope is damaged.
    """
    layouts, file = splice.outline(envelope, stand_ins(shapes))
    with file:
        photometric, _ = dicom.find_colours(file)
    return [
        (shape[0], 2 * shape[1], 3) if _shares_chroma(layout, photometric) else (*shape[:2], layout.channels)
        for layout, (shape, _) in zip(layouts, shapes, strict=True)
    ]


def _shares_chroma(layout: Layout, photometric: str) -> bool:
    return photometric == "YBR_FULL_422" and layout.channels == 4


def _see_dicom(layout: Layout, photometric: str, samples: Samples) -> Samples:
    samples = samples[..., : layout.channels]
    if not _shares_chroma(layout, photometric):
        return samples
    height, width, _ = samples.shape
    luma, chroma = samples[..., :2].reshape(height, 2 * width, 1), samples[..., 2:]
    return np.concatenate([luma, np.repeat(chroma, 2, axis=1)], axis=2)


def _refuse(what: str) -> UnsupportedError:
    return UnsupportedError(
        f"its samples are {what}, which cannot be converted exactly; use -o x.npy for the samples as stored"
    )


def _show_png(envelope: bytes, frame: Samples, samples: Samples) -> Samples:
    depth, palette, transparent = png.read_colours(envelope, frame.shape, frame.dtype.itemsize)
    if palette is not None:
        return _look_up(samples, palette)
    shown = _stretch(samples, depth)
    if transparent is None:
        return shown
    opaque = (samples != np.array(transparent, samples.dtype)).any(axis=2, keepdims=True)
    return np.concatenate([shown, np.where(opaque, np.iinfo(shown.dtype).max, 0).astype(shown.dtype)], axis=2)


def _look_up(numbers: Samples, palette: NDArray[np.uint8]) -> Samples:
    """Colours of a palette, (N, C), by number."""
    if numbers.shape[2] != 1 or numbers.dtype.kind != "u" or numbers.max(initial=0) >= len(palette):
        raise InputError("a sample is not in its palette")
    return palette[numbers[..., 0]]


def _stretch(samples: Samples, bits: int) -> Samples:
    """Samples of fewer bits than their type has over all of its range, so that the highest is white."""
    size = samples.dtype.itemsize
    if samples.dtype.kind != "u" or bits >= 8 * size or size == 8:  # no wider integers to compute in
        return samples
    highest, white = (1 << bits) - 1, (1 << 8 * size) - 1
    wide = samples.astype(f"u{2 * size}")
    stretched: Samples = ((wide * white + highest // 2) // highest).astype(samples.dtype)
    return stretched


def _invert(samples: Samples, bits: int) -> Samples:
    """White as zero to black as zero."""
    if samples.dtype.kind != "u":
        raise _refuse(f"{samples.dtype} with white as the lowest")
    inverted: Samples = samples.dtype.type((1 << bits) - 1) - samples
    return inverted


def _header_of(file: BinaryIO, layouts: Sequence[Layout], number: int) -> pnm.Header:
    """What stands before a picture of a PNM file: behind the picture before."""
    start = sum(layouts[number - 1].places[0]) if number else 0
    file.seek(start)
    return pnm.parse_header(file.read(max(0, layouts[number].places[0].offset - start)))


def _show_pnm(header: pnm.Header, samples: Samples) -> Samples:
    bits = header.maximum.bit_length()
    if samples.dtype.kind != "u":
        raise InputError("the stored PNM header does not fit the samples")
    if header.maximum != (1 << bits) - 1:
        raise _refuse(f"of a white of {header.maximum}")
    return _stretch(_invert(samples, 1) if header.black_is_one else samples, bits)


def _show_bmp(head: bytes, samples: Samples) -> Samples:
    header = bmp.parse_header(head)
    palette = bmp.read_palette(head, header)
    if palette is not None:
        return _look_up(samples, palette)
    return samples if header.masks[3] else samples[..., :3]


def _show_tiff(layout: Layout, meaning: tiff.Colours, samples: Samples) -> Samples:
    photometric, extra = meaning.photometric, meaning.extra
    if photometric == _PALETTE and meaning.colours is not None and layout.channels == 1:
        return _look_up(samples, meaning.colours)
    if photometric not in (_MINISWHITE, _MINISBLACK, _RGB, _MASK):
        raise _refuse(_TIFF_NAMES.get(photometric, f"of TIFF's photometric interpretation {photometric}"))
    if layout.channels - (3 if photometric == _RGB else 1) not in (0, len(extra)) or len(extra) > 1:
        if layout.channels <= _MAX_PICTURE:
            raise _refuse("bands rather than colours")
        return samples  # as bands in TIFF; PNG takes no more than four channels
    if extra not in ((), (_UNASSOCIATED,)):
        raise _refuse("a picture and a further channel that is no plain alpha")
    if layout.kind != "u":
        return samples
    if photometric == _MINISWHITE:
        if extra:
            raise _refuse("grey with white as zero, and alpha")
        samples = _invert(samples, layout.bits)
    return _stretch(samples, layout.bits)


def _show_dicom(layout: Layout, photometric: str, stored: int, samples: Samples) -> Samples:
    """Words keep their numbers whatever bits are stored: which is white is a matter of windows, not of the highest."""
    samples = _see_dicom(layout, photometric, samples)
    if photometric == "MONOCHROME1":
        samples = _invert(samples, stored or layout.bits)
    elif photometric not in ("MONOCHROME2", "RGB", ""):
        raise _refuse(f"{photometric} colours")
    return _stretch(samples, 1) if layout.bits == 1 else samples


def stand_ins(shapes: Sequence[tuple[tuple[int, ...], Any]]) -> tuple[Samples, ...]:
    """Frames of these shapes and types that take no memory."""
    return tuple(np.broadcast_to(np.zeros((), dtype), shape) for shape, dtype in shapes)
