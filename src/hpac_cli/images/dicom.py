"""DICOM to `Image`: where the pixel data lies, found with pydicom.

Pixel data is coded that is native, or encapsulated in a way that can be made again byte for byte; everything around it
stays as it stood. All else stays in the file as it is. Where the user asks for it, other lossless encapsulated pixel
data is decoded by whatever pydicom finds, and written natively into an otherwise equal file.
Source: DICOM PS3.5, sections 7, 8 and annexes A and G; PS3.10, section 7.
"""

import contextlib
import io
import struct
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO, Literal

import numpy as np

from hpac_cli.errors import DecoderMissingError, HpacError, InputError
from hpac_cli.image import Image, keep_whole
from hpac_cli.kept import Kept
from hpac_cli.limits import Limits, Tally

from . import jpeg_streams
from .codestreams import sides_of
from .deflate import MAX_INFLATION, compress_raw, decompress, find_recipe_and_correction
from .layout import Codec, Head, Layout, Packer, Place, count_frames, unpack
from .packbits import NUM_VARIANTS
from .source import FileBytes, Source
from .splice import Wrapper, cut

_PREAMBLE = 128
_PIXELS = {0x7FE00010: "u", 0x7FE00008: "f", 0x7FE00009: "f"}
"""Elements that hold samples."""
DEFLATED = "1.2.840.10008.1.2.1.99"
_EXPLICIT = "1.2.840.10008.1.2.1"
_IMPLICIT, _BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
_NATIVE = ("", _IMPLICIT, _EXPLICIT, _BIG_ENDIAN, DEFLATED)
_LOSSLESS = {
    "1.2.840.10008.1.2.4.57": Kept.JPEG,
    "1.2.840.10008.1.2.4.70": Kept.JPEG,
    "1.2.840.10008.1.2.4.80": Kept.JPEG_LS,
    "1.2.840.10008.1.2.4.90": Kept.JPEG_2000,
    "1.2.840.10008.1.2.4.201": Kept.JPEG_2000,
    "1.2.840.10008.1.2.4.202": Kept.JPEG_2000,
    "1.2.840.10008.1.2.5": Kept.RLE,
}
"""Lossless encapsulated transfer syntaxes, and why files stay as they are whose frames are not made again."""
_JPEG = (Kept.JPEG, Kept.JPEG_LS)
_DECODERS = {
    Kept.JPEG: "pylibjpeg pylibjpeg-libjpeg",
    Kept.JPEG_LS: "pyjpegls",
    Kept.JPEG_2000: "pylibjpeg pylibjpeg-openjpeg",
    Kept.RLE: "numpy",
}
"""What to install to decode them."""
_LOSSY = "1.2.840.10008.1.2.4."
"""Beginning of other transfer syntaxes of JPEG, MPEG and their kin, in which something may be lost."""
_RLE = "1.2.840.10008.1.2.5"
_KEPT_COLOURS = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL")
_PHOTOMETRIC, _BITS_STORED = 0x00280004, 0x00280101
_DELIMITERS = (0xFFFEE00D, 0xFFFEE0DD)
_UNDEFINED = 0xFFFFFFFF
_MOST_HEADS, _VALUE_BYTES, _META_BYTES = 1 << 18, 64, 1 << 16
_DEFERRED_BYTES = 1 << 16
"""Longer elements are not read before they are needed."""
_FREE_ELEMENTS, _MOST_ELEMENTS = 1 << 20, 16
"""Of a deflated data set, so many bytes before its samples are read, or so many times the bytes of the file."""
_FREE_SAMPLES = 64 << 20
"""Of encapsulated samples, so many bytes are decoded, or MAX_INFLATION times those that they take: a blank image of
any size takes next to none."""
_ITEM, _MOST_ITEMS = b"\xfe\xff\0\xe0", 1 << 14
"""And no more items of sequences, each of which becomes a data set of pydicom's."""


class _NoGeometryError(ValueError):
    """The data set does not say, in numbers that make sense, how its samples lie."""


_LONG_VRS = (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UN", b"UT", b"UC", b"UR", b"SV", b"UV")


def is_marked(data: FileBytes) -> bool:
    """Whether the data says that it is DICOM."""
    return data[_PREAMBLE : _PREAMBLE + 4] == b"DICM"


def is_dicom(data: bytes) -> bool:
    """Whether the data is DICOM: by its mark, or, without preamble, by a plausible first element."""
    return is_marked(data) or any(_is_plausible(data[:8], order) for order in "<>")


def _is_plausible(head: bytes, order: str) -> bool:
    if len(head) < 8:
        return False
    group, _, length = struct.unpack(f"{order}HHI", head)
    if group not in (0x0002, 0x0008):
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return explicit or length < 1 << 16


def why_kept(head: bytes) -> Kept:
    """Why a file's samples are not coded; NOTHING if they may be.

    Args:
        head: its first bytes: file meta information, which names the transfer syntax.
    """
    syntax = syntax_of(head)
    kept = Kept.NOTHING if syntax in _NATIVE else _why_encapsulated(syntax)
    return Kept.NOTHING if kept is Kept.RLE or kept in _JPEG else kept


def _why_encapsulated(syntax: str) -> Kept:
    """Why frames of a transfer syntax, if they are not made again, stay as they are."""
    return _LOSSLESS.get(syntax, Kept.LOSSY if syntax.startswith(_LOSSY) else Kept.UNKNOWN)


def syntax_of(data: FileBytes) -> str:
    """The transfer syntax that the file meta group names; empty if it names none."""
    for number, value in _meta(data):
        if number == 0x0010:
            return data[value].rstrip(b"\0 ").decode("ascii", "replace")
    return ""


def _meta(data: FileBytes) -> Iterator[tuple[int, slice]]:
    """Number and place of the value of each element of the file meta group, which is explicit and little endian."""
    at = _start_of_meta(data)
    while data[at : at + 2] == b"\2\0":
        number = int.from_bytes(data[at + 2 : at + 4], "little")
        long = data[at + 4 : at + 6] in _LONG_VRS
        value = at + (12 if long else 8)
        at = value + int.from_bytes(data[value - 4 : value] if long else data[value - 2 : value], "little")
        yield number, slice(value, at)


def read(file: Source, limits: Limits, *, rewrite: bool) -> Image:
    """Read a DICOM file; every frame of its pixel data is a frame.

    Args:
        rewrite: write pixel data natively that cannot be encoded as they were; else these stay in the file.

    Raises:
        InputError: damaged.
        DecoderMissingError: no decoder is installed for its transfer syntax.
        LimitExceededError: larger than limits allow.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of values that are not as the standard says
        try:
            return _read(file, limits, rewrite)
        except _NoGeometryError:
            return _keep(file, Kept.LAYOUT)


def _read(data: Source, limits: Limits, rewrite: bool) -> Image:
    syntax = syntax_of(data)
    if syntax == DEFLATED:  # which pydicom would inflate, however much that makes
        return _read_deflated(data, limits, rewrite)
    dataset = _parse(data, whole=rewrite)  # which needs all
    found = _find_pixels(dataset)
    if found is None:
        return _keep(data, Kept.NO_SAMPLES)
    element, kind = found
    if element.length == _UNDEFINED:
        return _read_encapsulated(data, dataset, syntax, element, limits, rewrite)
    little = dataset.original_encoding[1] is not False
    layouts = _native_layouts(data, dataset, element, kind, little, limits)
    return cut("dicom", data, layouts) if layouts else _keep(data, Kept.LAYOUT)


def _keep(data: Source, kept: Kept) -> Image:
    return keep_whole(data.stream, "dicom", kept)


@contextlib.contextmanager
def asking_pydicom() -> Iterator[None]:
    """Translate whatever damage leads pydicom to raise.

    Raises:
        InputError: it could not make sense of what it was asked for.
    """
    try:
        yield
    except RecursionError as error:
        raise InputError("DICOM damaged: its sequences are nested without end") from error
    except Exception as error:
        raise InputError(f"DICOM damaged: {str(error) or type(error).__name__}") from error


def _parse(data: Source, *, whole: bool) -> Any:
    import pydicom

    data.stream.seek(0)
    with asking_pydicom():
        return pydicom.dcmread(data.stream, defer_size=None if whole else _DEFERRED_BYTES, force=True)


def find_colours(file: BinaryIO) -> tuple[str, int]:
    """Read PhotometricInterpretation and BitsStored (0 if it is missing) of a file.

    Only heads of elements are looked at, and not too many: pydicom makes objects of all that a file claims to hold.

    Raises:
        InputError: damaged, or there are too many elements.
    """
    head = file.read(_META_BYTES)
    syntax, start = syntax_of(head), end_of_meta(head)
    if syntax == DEFLATED:
        file.seek(start)
        coded = file.read()
        file, start = io.BytesIO(decompress(coded, max(_FREE_SAMPLES, MAX_INFLATION * len(coded)), raw=True)[0]), 0
        head = file.read(_META_BYTES)
    big = syntax == _BIG_ENDIAN or (not syntax and int.from_bytes(head[start : start + 2], "little") >= 0x400)
    explicit = syntax != _IMPLICIT and (bool(syntax) or head[start + 4 : start + 6].isalpha())
    file.seek(start)
    found: dict[int, bytes] = {}
    for tag, length in _walk(file, explicit=explicit, order="big" if big else "little"):
        if tag > _BITS_STORED:
            break
        if tag in (_PHOTOMETRIC, _BITS_STORED):
            found[tag] = file.read(min(length, _VALUE_BYTES))
    photometric = found.get(_PHOTOMETRIC, b"").decode("ascii", "replace").strip(" \0")
    return photometric, int.from_bytes(found.get(_BITS_STORED, b"")[:2], "big" if big else "little")


def _walk(file: BinaryIO, *, explicit: bool, order: Literal["little", "big"]) -> Iterator[tuple[int, int]]:
    """Yield tag and length of each element that is in no sequence; its value is what the file gives next.

    Raises:
        InputError: there are too many elements, or they do not end where they say.
    """
    depth = 0
    for _ in range(_MOST_HEADS):
        head = file.read(8)
        if not head:
            return
        tag = int.from_bytes(head[:2], order) << 16 | int.from_bytes(head[2:4], order)
        if explicit and tag >> 16 != 0xFFFE:
            long = head[4:6] in _LONG_VRS
            length = int.from_bytes(file.read(4) if long else head[6:8], order)
        else:
            length = int.from_bytes(head[4:8], order)
        if tag in _DELIMITERS:
            depth -= 1
        elif length == _UNDEFINED:
            depth += 1
        else:
            value = file.tell()
            if not depth:
                yield tag, length
            file.seek(value + length)
        if len(head) < 8 or depth < 0:
            break
    raise InputError("DICOM damaged: its elements do not end where they say, or are too many")


def _find_pixels(dataset: Any) -> tuple[Any, str] | None:
    """The raw element that holds samples, and their kind; None if there is none."""
    for tag, kind in _PIXELS.items():
        with asking_pydicom():
            element = dataset.get_item(tag, keep_deferred=True) if tag in dataset else None
        if element is not None and (element.length if element.value is None else element.value):
            return element, kind
    return None


def _text(dataset: Any, name: str) -> str:
    with asking_pydicom():
        return str(getattr(dataset, name, ""))


def _attribute(dataset: Any, name: str, default: int) -> int:
    try:
        with asking_pydicom():
            value = getattr(dataset, name, None)
            return default if value is None or value == "" else int(value)
    except InputError as error:
        raise _NoGeometryError(f"{name} is no number") from error


def _geometry(dataset: Any, kind: str, bits: int) -> tuple[Layout, int]:
    """Layout of one frame, without places, and the number of frames."""
    height, width = _attribute(dataset, "Rows", 0), _attribute(dataset, "Columns", 0)
    channels = _attribute(dataset, "SamplesPerPixel", 1)
    frames = _attribute(dataset, "NumberOfFrames", 1) or 1
    if not all(0 < side < 1 << 20 for side in (height, width, channels, frames)):
        raise _NoGeometryError(f"{frames} frames of {width} x {height} x {channels} samples")
    signed = kind == "u" and _attribute(dataset, "PixelRepresentation", 0) == 1 and bits in (8, 16, 32, 64)
    planar = channels > 1 and _attribute(dataset, "PlanarConfiguration", 0) == 1
    if _text(dataset, "PhotometricInterpretation") == "YBR_FULL_422" and channels == 3 and width % 2 == 0:
        width, channels, planar = width // 2, 4, False  # two of luma, then the chroma that they share
    layout = Layout(height, width, channels, bits, "i" if signed else kind, height, width, (), planar=planar)
    return layout, frames


def _native_layouts(
    data: FileBytes, dataset: Any, element: Any, kind: str, little: bool, limits: Limits
) -> list[Layout]:
    """Layouts of all frames of native pixel data.

    Raises:
        InputError: the data is shorter than its frames.
    """
    bits = {0x7FE00008: 32, 0x7FE00009: 64}.get(int(element.tag), _attribute(dataset, "BitsAllocated", 0))
    is_swapped = not little and bits <= 8 and element.VR == "OW"  # bytes of a word change places (PS3.5, 8.1.1)
    if bits not in (1, 8, 16, 32, 64) or is_swapped:
        return []
    layout, frames = _geometry(dataset, kind, bits)
    layout = replace(layout, little=little)
    if bits == 1:
        if layout.channels > 1:
            return []
        layout = replace(layout, flat=True)
        if layout.height * layout.width % 8:  # frames do not begin on bytes, so all are one
            layout = replace(layout, height=layout.height * frames, segment_height=layout.height * frames)
            frames = 1
    sizes = [layout.segment_bytes(box) for box in layout.boxes()]
    needed, present = frames * sum(sizes), min(element.length, len(data) - element.value_tell)
    if needed > present:
        raise InputError(f"DICOM truncated: {frames} frames need {needed:,} bytes of samples, {present:,} are present")
    count_frames(layout, Tally(limits), frames)
    layouts, at = [], element.value_tell
    for _ in range(frames):
        places = []
        for size in sizes:
            places.append(Place(at, size))
            at += size
        layouts.append(replace(layout, places=tuple(places)))
    return _split_unused_bits(data, layouts, dataset)


def _split_unused_bits(data: FileBytes, layouts: list[Layout], dataset: Any) -> list[Layout]:
    """Where bits above those stored are in use (overlays, rubbish), code them apart."""
    first = layouts[0]
    stored = _attribute(dataset, "BitsStored", first.bits)
    if first.kind == "f" or first.bits not in (8, 16, 32) or not 0 < stored < first.bits:
        return layouts
    for layout in layouts:
        words = unpack(layout, data)
        low, high = (-(1 << stored - 1), (1 << stored - 1) - 1) if first.kind == "i" else (0, (1 << stored) - 1)
        if words.min() < low or words.max() > high:
            return [replace(layout, split=stored) for layout in layouts]
    return layouts


def _read_deflated(data: Source, limits: Limits, rewrite: bool) -> Image:
    """Read a file whose data set is one raw deflate stream; where little makes much that is no samples, it stays whole."""
    start = end_of_meta(data)
    plain, tail = decompress(data[start:], min(limits.max_sample_bytes, MAX_INFLATION * len(data)), raw=True)
    found = _find_inflated_pixels(plain, max(_FREE_ELEMENTS, _MOST_ELEMENTS * len(data)))
    if found is None:
        return _keep(data, Kept.LAYOUT)
    dataset, element, kind = found
    inflated, moved = data[:start] + plain, element._replace(value_tell=start + element.value_tell)
    layouts = _native_layouts(inflated, dataset, moved, kind, True, limits)
    if not layouts:
        return _keep(data, Kept.LAYOUT)
    stream = data[start : len(data) - len(tail)]
    made = find_recipe_and_correction(stream, raw=True)
    if made is None and rewrite:
        stream = compress_raw(plain)
        made = find_recipe_and_correction(stream, raw=True)
    if made is None:
        return _keep(data, Kept.DEFLATE)
    return cut("dicom", Source(io.BytesIO(inflated)), layouts, Wrapper(start, *made, len(stream), tail))


def _find_inflated_pixels(plain: bytes, head_bytes: int) -> tuple[Any, Any, str] | None:
    """Read a data set up to its samples; None if they do not begin within so many bytes, or are no native ones.

    Returns:
        The data set, the raw element of the samples, without its value, and their kind.
    """
    from pydicom.dataelem import RawDataElement
    from pydicom.filereader import read_dataset
    from pydicom.tag import Tag

    stopped: list[tuple[int, int]] = []

    def is_pixels(tag: Any, _vr: str | None, length: int) -> bool:
        if tag in _PIXELS:
            stopped.append((int(tag), length))
        return tag in _PIXELS

    if plain.count(_ITEM, 0, head_bytes) > _MOST_ITEMS:
        return None
    head = io.BytesIO(plain[:head_bytes])
    with asking_pydicom():
        dataset = read_dataset(head, False, True, stop_when=is_pixels)
    if not stopped or not 0 < stopped[0][1] < _UNDEFINED:
        return None
    (tag, length), at = stopped[0], head.tell() + 12
    return dataset, RawDataElement(Tag(tag), "OW", length, None, at, False, True), _PIXELS[tag]


def _start_of_meta(data: FileBytes) -> int:
    return _PREAMBLE + 4 if is_marked(data) else 0


def end_of_meta(data: FileBytes) -> int:
    """Where the file meta group, explicit and little endian, ends."""
    return max((value.stop for _, value in _meta(data)), default=_start_of_meta(data))


def _read_encapsulated(data: Source, dataset: Any, syntax: str, element: Any, limits: Limits, rewrite: bool) -> Image:
    """Find lossless frames that can be made again; else, where `rewrite` says so, write them natively into the file."""
    bits = _attribute(dataset, "BitsAllocated", 0)
    colours = _text(dataset, "PhotometricInterpretation")
    if syntax not in _LOSSLESS:
        return _keep(data, _why_encapsulated(syntax))
    if bits not in (8, 16, 32) or int(element.tag) != 0x7FE00010:
        return _keep(data, Kept.LAYOUT)
    layout, frames = _geometry(dataset, "u", bits)
    count_frames(layout, Tally(limits), frames)
    coded = _rle_layouts if syntax == _RLE else _jpeg_layouts if _LOSSLESS[syntax] in _JPEG else _no_layouts
    if again := coded(data, layout, frames, element):
        image = cut("dicom", data, again)
        if not image.kept:
            return image
    kept = _keep(data, _LOSSLESS[syntax] if colours in _KEPT_COLOURS else Kept.LAYOUT)
    if not rewrite or colours not in _KEPT_COLOURS:
        return kept
    _check_coded_sides(data, element, layout, limits)
    if frames * layout.size > max(_FREE_SAMPLES, MAX_INFLATION * (len(data) - element.value_tell)):
        return kept
    words = b"".join(_decode_frames(dataset, layout, frames, syntax))
    native = _write_native(data, element, words, bits)
    if native is None:
        return kept
    fresh, start = native
    moved = element._replace(value_tell=start, length=len(words))
    interleaved = replace(layout, planar=False)
    return cut("dicom", Source(io.BytesIO(fresh)), _native_layouts_of(fresh, dataset, interleaved, frames, moved))


def _check_coded_sides(data: FileBytes, element: Any, layout: Layout, limits: Limits) -> None:
    """Make sure that no decoder finds a larger image than the data set tells of.

    Raises:
        InputError: a coded image is of another size.
        LimitExceededError: and of one beyond limits.
    """
    for place in list_items(data, element.value_tell) or []:
        for width, height in sides_of(data[place.offset : place.offset + place.length]):
            if (width, height) != (layout.width, layout.height):
                count_frames(replace(layout, width=width, height=height), Tally(limits))
                raise InputError(
                    f"DICOM damaged: Rows and Columns say {layout.width} x {layout.height}, "
                    f"the coded image says {width} x {height}"
                )


def _rle_layouts(data: FileBytes, layout: Layout, frames: int, element: Any) -> list[Layout] | None:
    """Layouts of RLE frames, if each is one fragment and can be made again; else None."""
    items = list_items(data, element.value_tell)
    if items is None or len(items) != frames + 1:  # the first is the offset table
        return None
    rle, variants = replace(layout, planar=False, codec=Codec.RLE), list(range(NUM_VARIANTS))
    for place in items[1:]:
        coded, frame = data[place.offset : place.offset + place.length], replace(rle, places=(place,))
        try:
            samples = unpack(frame, data)
        except (InputError, struct.error):
            return None
        variants = [v for v in variants if b"".join(Packer(replace(frame, variant=v), samples).segment(0)) == coded]
        if not variants:
            return None
    return [replace(rle, variant=variants[0], places=(place,)) for place in items[1:]]


def _no_layouts(_data: FileBytes, _layout: Layout, _frames: int, _element: Any) -> None:
    """Frames whose code is not made again."""


def _jpeg_layouts(data: FileBytes, layout: Layout, frames: int, element: Any) -> list[Layout] | None:
    """Layouts of frames in lossless JPEG or JPEG-LS; None if they are damaged, or not all in order."""
    images = list[list[Place]]()
    for item in (list_items(data, element.value_tell) or [])[1:]:  # the first is the offset table
        if jpeg_streams.begins(data, item.offset):
            images.append([])
        if not images:
            return None
        images[-1].append(item)
    if len(images) != frames or layout.bits > 16:
        return None
    jpeg, layouts = replace(layout, planar=False, codec=Codec.JPEG), []
    try:
        for items in images:
            stream = b"".join(data[item.offset : item.offset + item.length] for item in items)
            head, length = jpeg_streams.split(stream)
            spare = len(stream) - length
            if spare >= items[-1].length:
                return None
            place = Place(items[0].offset, items[-1].offset + items[-1].length - spare - items[0].offset)
            lengths = tuple(item.length for item in items) if len(items) > 1 else ()
            layouts.append(replace(jpeg, places=(place,), heads=(Head(head, lengths),)))
    except InputError:
        return None
    return layouts


def _native_layouts_of(data: FileBytes, dataset: Any, layout: Layout, frames: int, element: Any) -> list[Layout]:
    layouts, at = [], element.value_tell
    planar = layout.channels > 1 and _attribute(dataset, "PlanarConfiguration", 0) == 1
    layout = replace(layout, planar=planar)
    for _ in range(frames):
        places = []
        for box in layout.boxes():
            places.append(Place(at, layout.segment_bytes(box)))
            at += places[-1].length
        layouts.append(replace(layout, places=tuple(places)))
    return _split_unused_bits(data, layouts, dataset)


def _decode_frames(dataset: Any, layout: Layout, frames: int, syntax: str) -> Iterator[bytes]:
    """Decode frame after frame to native bytes in the planar configuration that the file names.

    Raises:
        DecoderMissingError: pydicom finds no decoder.
        InputError: a frame is damaged.
    """
    from pydicom.pixels.utils import iter_pixels

    count = 0
    try:
        for array in iter_pixels(dataset, raw=True):
            words = np.ascontiguousarray(array).view(f"u{layout.bits // 8}")
            words = words.reshape(layout.height, layout.width, layout.channels)
            if layout.planar:
                words = np.ascontiguousarray(words.transpose(2, 0, 1))
            yield words.astype(f"<u{layout.bits // 8}", copy=False).tobytes()
            count += 1
    except HpacError:
        raise
    except RuntimeError as error:
        if "unable to decode" in str(error).lower() or "missing dependencies" in str(error).lower():
            raise DecoderMissingError(
                f"DICOM transfer syntax {syntax} needs a decoder: pip install {_DECODERS[_LOSSLESS[syntax]]}"
            ) from error
        raise InputError(f"DICOM damaged: {error}") from error
    except Exception as error:  # every decoder has errors of its own
        raise InputError(f"DICOM damaged: {str(error) or type(error).__name__}") from error
    if count != frames:
        raise InputError(f"DICOM damaged: {count} frames of {frames}")


def _write_native(data: FileBytes, element: Any, words: bytes, bits: int) -> tuple[bytes, int] | None:
    """Replace encapsulated pixel data by words, and the transfer syntax by explicit little endian.

    Returns:
        The file and where the words begin; None if the file is not built as the standard says.
    """
    head = element.value_tell - 12
    if data[head : head + 4] != struct.pack("<HH", 0x7FE0, 0x0010) or len(words) >= _UNDEFINED - 1:
        return None
    items = list_items(data, element.value_tell)
    meta = _replace_syntax(data[:head])
    if not items or meta is None:
        return None
    end = items[-1].offset + items[-1].length + 8
    vr = b"OB" if bits == 8 else b"OW"
    padded = words + bytes(len(words) % 2)
    front = meta + struct.pack("<HH2sHI", 0x7FE0, 0x0010, vr, 0, len(padded))
    return front + padded + data[end:], len(front)


def list_items(data: FileBytes, at: int) -> list[Place] | None:
    """Where the items of the encapsulated sequence that begins at `at` lie; None if it does not end."""
    found: list[Place] = []
    while True:
        head = data[at : at + 8]
        if len(head) < 8:
            return None
        group, number, length = struct.unpack("<HHI", head)
        at += 8
        if (group, number) == (0xFFFE, 0xE0DD):
            return found
        if (group, number) != (0xFFFE, 0xE000) or length == _UNDEFINED or at + length > len(data):
            return None
        found.append(Place(at, length))
        at += length


def _replace_syntax(front: bytes) -> bytes | None:
    """Put the native transfer syntax in place of the file's, and correct the group's length."""
    group_length = None
    for number, value in _meta(front):
        if number == 0x0000:
            group_length = value.start
        if number == 0x0010:
            uid = _EXPLICIT.encode() + b"\0" * (len(_EXPLICIT) % 2)
            out = bytearray(front[: value.start - 2] + struct.pack("<H", len(uid)) + uid + front[value.stop :])
            if group_length is not None:
                (old,) = struct.unpack_from("<I", out, group_length)
                struct.pack_into("<I", out, group_length, old + len(uid) - (value.stop - value.start))
            return bytes(out)
    return None
