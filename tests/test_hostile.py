"""Small hostile .hpac files end soon, in little memory, in one of our errors or in what they honestly hold."""

import hashlib
import json
import lzma
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from test_container import chunk

from hpac_cli.binary import put_string, put_varint
from hpac_cli.container.fields import (
    LZMA_FILTERS,
    SIGNATURE,
    VERSION_MAJOR,
    VERSION_MINOR,
    Frame,
    Kind,
    Packing,
    Part,
    build_frame,
)

CONSTANT = Part(1, 0)
PIXEL = Frame(1, 1, "u1", 8, (CONSTANT,))
SECONDS, MEGABYTES = 4, 300
"""Of processor time (2 s on a machine that does nothing else), and of memory."""


def container(kind: Kind, frames: tuple[Frame, ...], envelope: bytes = b"", samples: bytes = b"\0") -> bytes:
    """A container without tiles, as no encoder writes it: metadata of any size are packed as small as can be."""
    data = SIGNATURE + bytes([VERSION_MAJOR, VERSION_MINOR])
    data += chunk(b"H", b"".join(map(put_varint, (kind, 1, len(frames), 0))))
    if envelope:
        packed = lzma.compress(envelope, lzma.FORMAT_RAW, filters=LZMA_FILTERS)
        data += chunk(b"M", put_varint(Packing.LZMA) + packed)
    data += b"".join(chunk(b"F", build_frame(frame)) for frame in frames)
    digest = hashlib.sha256(samples).digest()
    arrays = kind in (Kind.ARRAY, Kind.ARRAY_FRAMES)
    return data + chunk(b"E", digest[:16] + (b"" if arrays else bytes(32)))


def constant_gigabyte() -> bytes:
    return container(Kind.ARRAY, (Frame(11585, 11585, "u8", 128, (CONSTANT,)),))


def constant_parts_beside_tiles_that_are_missing() -> bytes:
    return container(Kind.ARRAY, (Frame(13000, 13000, "u1", 2048, (Part(5, 0), Part(1, 1))),))


def png_chunk(name: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")


def png_with(around: bytes) -> bytes:
    header = png_chunk(b"IHDR", b"\0\0\0\1\0\0\0\1\x08\0\0\0\0")
    skeleton = b"\x89PNG\r\n\x1a\n" + header + around + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b"")
    return container(Kind.PNG, (PIXEL,), b"\0" + skeleton)


def png_of_20_million_chunks() -> bytes:
    return png_with(png_chunk(b"teSt", b"") * 20_000_000)


def png_of_5_million_chunks() -> bytes:
    return png_with(png_chunk(b"teSt", b"") * 5_000_000)


def png_of_one_large_chunk() -> bytes:
    return png_with(png_chunk(b"teSt", bytes(60 << 20)))


def png_of_60_million_pieces() -> bytes:
    recipe = b"\x78\xda" + b"".join(map(put_varint, (9, 15, 9, 0, 60 << 20))) + bytes(60 << 20) + b"\0\0"
    return container(Kind.PNG, (PIXEL,), put_string(recipe))


def png_of_no_frames() -> bytes:
    return container(Kind.PNG, ())


def tiff_with(frame: Frame, layouts: int, channels: int, segments: int, planar: bool) -> bytes:
    layout = (frame.height, frame.width, channels, 8, 0, 1, 1, 2 * planar, 0, 1, 0, 0)
    envelope = b"".join(map(put_varint, (10, 0, layouts)))
    envelope += (b"".join(map(put_varint, layout)) + bytes(2 * segments)) * layouts
    return container(Kind.TIFF, (frame,), envelope, bytes(frame.num_samples))


def tiff_of_16_million_tiles() -> bytes:
    return tiff_with(Frame(4096, 4096, "u1", 8, (CONSTANT,)), 1, 1, 1 << 24, planar=False)


def tiff_of_padding() -> bytes:
    layout = (1 << 16, 1 << 14, 1, 8, 0, 1 << 16, 1 << 14, 16, 0, 1, 0, 0, (1 << 16) - 1, (1 << 14) - 1, 0, 0, 0)
    return container(Kind.TIFF, (PIXEL,), b"".join(map(put_varint, (10, 0, 1, *layout))))


def tiff_of_planes() -> bytes:
    return tiff_with(Frame(1, 1, "u1", 8, (Part(65536, 0),)), 1, 65536, 65536, planar=True)


def tiff_of_4_million_pages() -> bytes:
    return tiff_with(PIXEL, 4_000_000, 1, 1, planar=False)


def many_tables() -> bytes:
    table = zlib.compress(bytes(8 << 16), 9)
    return container(Kind.ARRAY, (Frame(1, 1, "u8", 8, (Part(1, 0, table=table),) * 180),))


def narrow() -> bytes:
    return container(Kind.ARRAY, (Frame(1, 1 << 24, "u1", 8, (Part(2, 8),) * 20),))


def thousands_of_parts() -> bytes:
    return container(Kind.ARRAY, (Frame(200, 200, "u1", 8, (Part(1, 1),) * 19_000),))


def salvaged(frame: Frame) -> bytes:
    """A container of one frame whose end is lost."""
    return container(Kind.ARRAY, (frame,))[:-1]


def salvaged_gigabyte() -> bytes:
    return salvaged(Frame(11585, 11585, "u8", 128, (CONSTANT,)))


def salvaged_within_limits() -> bytes:
    return salvaged(Frame(8000, 8000, "u1", 128, (CONSTANT,)))


def deflated_dicom(plain: bytes) -> bytes:
    """A DICOM file whose data set is deflated, whatever it is."""
    syntax = b"1.2.840.10008.1.2.1.99"
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = bytes(128) + b"DICM" + b"\2\0\x10\0UI" + len(syntax).to_bytes(2, "little") + syntax
    return head + packer.compress(plain) + packer.flush()


def dicom_of_10_million_elements() -> bytes:
    return deflated_dicom(b"\x08\0\0\0SH\0\0" * 10_000_000)


def dicom_of_10_million_items() -> bytes:
    sequence = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff"
    return deflated_dicom(sequence + b"\xfe\xff\0\xe0\0\0\0\0" * 10_000_000)


def dicom_of_one_large_element() -> bytes:
    return deflated_dicom(b"\x08\0\0\0OB\0\0" + (90 << 20).to_bytes(4, "little") + bytes(90 << 20))


WATCHER = """
import json, resource, subprocess, sys
code = subprocess.run([sys.executable, "-m", "hpac_cli", *sys.argv[1:]], capture_output=True).returncode
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))
"""
"""A small process: what its child is told to have used includes what it used itself before."""


def run_watched(*args: str) -> tuple[int, float, float]:
    """Exit code, seconds of processor time and megabytes of a call."""
    done = subprocess.run([sys.executable, "-c", WATCHER, *args], capture_output=True, check=True, timeout=120)
    code, seconds, megabytes = json.loads(done.stdout)
    return code, seconds, megabytes


@pytest.mark.skipif(sys.platform != "linux", reason="memory of a process is told in other units elsewhere")
@pytest.mark.parametrize(
    "make",
    [
        constant_gigabyte,
        constant_parts_beside_tiles_that_are_missing,
        png_of_20_million_chunks,
        png_of_5_million_chunks,
        png_of_one_large_chunk,
        png_of_60_million_pieces,
        png_of_no_frames,
        tiff_of_16_million_tiles,
        tiff_of_padding,
        tiff_of_planes,
        tiff_of_4_million_pages,
        many_tables,
        narrow,
        thousands_of_parts,
    ],
)
def test_small_files_cost_little(make: Callable[[], bytes], tmp_path: Path) -> None:
    data, file = make(), tmp_path / "x.hpac"
    assert len(data) <= 100_000
    file.write_bytes(data)
    for command in (["info"], ["verify"], ["decode", "-f", "--region", "0,0,1,1", "-o", str(tmp_path / "o.npy")]):
        code, seconds, megabytes = run_watched(*command, str(file))
        assert code in ((0, 2, 3, 4, 5) if command != ["verify"] else (3, 4, 5)), (command, code)
        assert seconds < SECONDS, command
        assert megabytes < MEGABYTES, command


@pytest.mark.skipif(sys.platform != "linux", reason="memory of a process is told in other units elsewhere")
@pytest.mark.parametrize("make", [salvaged_gigabyte, salvaged_within_limits])
def test_salvage_of_small_files_costs_little(make: Callable[[], bytes], tmp_path: Path) -> None:
    file = tmp_path / "x.hpac"
    file.write_bytes(make())
    code, seconds, megabytes = run_watched("decode", "--salvage", "-o", str(tmp_path / "o.npy"), str(file))
    assert code in (4, 5, 9)
    assert seconds < SECONDS
    assert megabytes < MEGABYTES


def png_of_9_million_rows() -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 9_000_000, 8, 0, 0, 0, 0))
    samples = png_chunk(b"IDAT", zlib.compress(bytes(2 * 9_000_000), 9))
    return b"\x89PNG\r\n\x1a\n" + header + samples + png_chunk(b"IEND", b"")


def dicom_of_a_blank_jpeg_2000() -> bytes:
    imagecodecs = pytest.importorskip("imagecodecs")
    samples = np.zeros((11000, 11000), np.uint8)
    coded = bytes(imagecodecs.jpeg2k_encode(samples, codecformat="j2k", reversible=True))
    coded += bytes(len(coded) % 2)
    fragments = b"\xfe\xff\0\xe0\0\0\0\0" + b"\xfe\xff\0\xe0" + struct.pack("<I", len(coded)) + coded
    numbers = {2: 1, 0x10: 11000, 0x11: 11000, 0x100: 8, 0x101: 8, 0x102: 7, 0x103: 0}
    elements = [struct.pack("<HH2sHH", 0x28, tag, b"US", 2, value) for tag, value in numbers.items()]
    elements.insert(1, struct.pack("<HH2sH", 0x28, 4, b"CS", 12) + b"MONOCHROME2 ")
    syntax = b"1.2.840.10008.1.2.4.90"
    head = bytes(128) + b"DICM" + b"\2\0\x10\0UI" + struct.pack("<H", len(syntax)) + syntax + b"".join(elements)
    return head + b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff" + fragments + b"\xfe\xff\xdd\xe0\0\0\0\0"


@pytest.mark.skipif(sys.platform != "linux", reason="memory of a process is told in other units elsewhere")
@pytest.mark.parametrize(
    "make",
    [
        png_of_9_million_rows,
        dicom_of_a_blank_jpeg_2000,
        dicom_of_10_million_elements,
        dicom_of_10_million_items,
        dicom_of_one_large_element,
    ],
)
def test_small_pictures_cost_little(make: Callable[[], bytes], tmp_path: Path) -> None:
    data, file = make(), tmp_path / "x"
    assert len(data) <= 120_000
    file.write_bytes(data)
    code, seconds, megabytes = run_watched("check", str(file))
    assert code == 0
    assert seconds < SECONDS
    assert megabytes < MEGABYTES


def dicom_with(elements: bytes) -> bytes:
    """An .hpac file of a DICOM file with these elements before its one sample."""
    file = bytes(128) + b"DICM" + b"\2\0\x10\0UI\x14\0" + b"1.2.840.10008.1.2.1\0" + elements
    layout = (1, 1, 1, 8, 0, 1, 1, 1, 0, 1, 0, 0, 2 * len(file), 1)
    return container(Kind.DICOM, (PIXEL,), b"".join(map(put_varint, (len(file) + 1, 0, 1, *layout))) + file)


def hpac_of_7_million_elements() -> bytes:
    return dicom_with(b"\x08\0\0\0SH\0\0" * 7_000_000)


def hpac_of_7_million_items() -> bytes:
    return dicom_with(b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\0\xe0\0\0\0\0" * 7_000_000)


@pytest.mark.skipif(sys.platform != "linux", reason="memory of a process is told in other units elsewhere")
@pytest.mark.parametrize("make", [hpac_of_7_million_elements, hpac_of_7_million_items])
def test_the_colours_of_small_files_cost_little(make: Callable[[], bytes], tmp_path: Path) -> None:
    data, file = make(), tmp_path / "x.hpac"
    assert len(data) <= 100_000
    file.write_bytes(data)
    code, seconds, megabytes = run_watched("decode", "--region", "0,0,1,1", "-o", str(tmp_path / "o.png"), str(file))
    assert code in (0, 4)
    assert seconds < SECONDS
    assert megabytes < MEGABYTES
