"""Large files take the memory of their samples once: what else is made of them comes and goes in pieces."""

import hashlib
import io
import tracemalloc
import weakref
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from conftest import make_dicom, make_tiff, save_png
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hpac_cli import api, deflate, images
from hpac_cli.container.parse import Reader
from hpac_cli.errors import FileAccessError, InputError
from hpac_cli.image import Image
from hpac_cli.images import png
from hpac_cli.images.padding import Filling, Padded, take_off
from hpac_cli.images.source import Joined, Source

SIDE = 3200
NOISE = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE), np.uint8)
BESIDE = 8 << 20
"""Beside the samples: less than a copy of them, or of the file."""


def npy(samples: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, samples)
    return file.getvalue()


FILES: dict[str, Callable[[NDArray[np.uint8]], bytes]] = {
    "png": lambda samples: save_png(samples, compress_level=1),
    "png of 16 bits": lambda samples: save_png(samples.view(np.uint16), compress_level=0),
    "tiff of one strip": lambda samples: make_tiff(samples, rowsperstrip=len(samples)),
    "tiff of strips": lambda samples: make_tiff(samples, rowsperstrip=16),
    "tiff of padded tiles": lambda samples: make_tiff(samples, tile=(256, 256)),
    "dicom": make_dicom,
    "npy": npy,
    "pnm": lambda samples: b"P5 %d %d 255\n" % samples.shape[::-1] + samples.tobytes(),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_and_made_again_with_its_samples_in_memory_once(name: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(FILES[name](NOISE))
    images.read(FILES[name](NOISE[:16, :16]))  # whatever is loaded for that is there before it is measured
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").digest()
        tracemalloc.start()
        try:
            image = images.read_stream(stream, digest)
            for piece in images.write_pieces(image):
                assert len(piece) <= 1 << 20
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert sum(frame.nbytes for frame in image.frames) == NOISE.nbytes
    assert peak < NOISE.nbytes + BESIDE


class Watching(api.Session):
    """Sees that what it encoded is forgotten when it decodes."""

    def encode(self, image: Image, stream: BinaryIO) -> None:
        self.samples = weakref.ref(image.frames[0])
        super().encode(image, stream)

    def decode(self, reader: Reader, step: str = "decode") -> Image:
        assert self.samples() is None
        return super().decode(reader, step)


def test_samples_are_forgotten_before_what_was_encoded_is_verified(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(save_png(NOISE[:100, :100]))
    api.compress(str(path), None, Watching(api.Options(effort=1)))
    assert api.verify(f"{path}.hpac", api.Session()).fidelity == "bytes"


# Sources


class Slices:
    """A deflate stream of which every slice is counted."""

    def __init__(self, stream: bytes) -> None:
        self.stream, self.largest = stream, 0

    def __getitem__(self, part: slice) -> bytes:
        self.largest = max(self.largest, part.stop - part.start)
        return self.stream[part]


def test_a_deflate_stream_is_read_in_pieces() -> None:
    body = zlib_raw(NOISE[:200].tobytes())
    slices = Slices(b"head" + body)
    parameters = deflate.find_parameters(slices, 4)
    assert deflate.find_correction(slices, parameters, 4) == deflate.find_correction(body, parameters)
    assert deflate.survey(slices, 4).stream_bytes == len(body)
    assert 0 < slices.largest < 1 << 17 < len(body)


def zlib_raw(data: bytes) -> bytes:
    body = zlib.compressobj(1, zlib.DEFLATED, -15)
    return body.compress(data) + body.flush()


@pytest.mark.parametrize("raised", [FileAccessError("gone"), KeyboardInterrupt()])
def test_what_a_source_raises_comes_through_the_core(raised: BaseException) -> None:
    class Gone:
        def __getitem__(self, _: slice) -> bytes:
            raise raised

    with pytest.raises(type(raised)):
        deflate.survey(Gone())


@given(st.lists(st.integers(0, 5), min_size=1), st.integers(-2, 30), st.integers(-2, 30))
def test_joined_places_are_sliced_as_their_bytes_are(lengths: list[int], start: int, stop: int) -> None:
    data, places, at = bytes(range(256)), [], 3
    for length in lengths:
        places.append((at, length))
        at += length + 2
    whole = b"".join(data[at : at + length] for at, length in places)
    for source in (data, Source(io.BytesIO(data))):
        joined = Joined(source, places)
        assert len(joined) == len(whole)
        assert joined[start:stop] == whole[start:stop]
        assert joined[start:] == whole[start:]


class Shrinking(io.BytesIO):
    """A file that is cut, or changed, once it was read to some place."""

    def __init__(self, data: bytes, other: bytes) -> None:
        super().__init__(data)
        self.other = other

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        if self.tell() > 5000:
            at = self.tell()
            self.seek(0)
            self.truncate()
            self.write(self.other)
            self.seek(at)
        return data


@pytest.mark.parametrize("make", [save_png, make_tiff, npy], ids=["png", "tiff", "npy"])
@pytest.mark.parametrize("change", ["cut", "other samples"])
def test_a_file_that_changes_while_it_is_read_in_pieces_is_refused(make: Callable[[Any], bytes], change: str) -> None:
    data, other = make(NOISE[:100, :100]), make(NOISE[100:200, :100])
    stream = Shrinking(data, other if change == "other samples" else data[:2000])
    with pytest.raises(FileAccessError, match="changed"):
        images.read_stream(stream, hashlib.sha256(data).digest(), keep_all=True)


def test_a_slice_of_a_file_that_became_shorter_is_refused() -> None:
    stream = io.BytesIO(bytes(10))
    source = Source(stream)
    assert source[2:20] == bytes(8)
    stream.truncate(4)
    with pytest.raises(FileAccessError, match="changed"):
        source[2:8]


# Parts of files


@pytest.mark.parametrize("filling", list(Filling))
@given(data=st.data())
def test_parts_of_a_padded_picture_are_as_cut_out_of_its_tiles(filling: Filling, data: st.DataObject) -> None:
    height, width, rows, columns = (data.draw(st.integers(low, 4)) for low in (1, 1, 0, 0))
    noise = np.random.default_rng(height * width).integers(1, 256, (height + rows, width + columns, 2), np.uint8)
    grid = noise
    if filling is not Filling.KEPT:
        mode = "edge" if filling is Filling.EDGE else "constant"
        grid = np.pad(noise[:height, :width], ((0, rows), (0, columns), (0, 0)), mode)  # type: ignore[call-overload]
    picture, padding = take_off(grid.copy(), rows, columns)
    assert np.array_equal(picture, grid[:height, :width])
    top, left = data.draw(st.integers(0, grid.shape[0] - 1)), data.draw(st.integers(0, grid.shape[1] - 1))
    bottom, right = (data.draw(st.integers(a + 1, b)) for a, b in ((top, grid.shape[0]), (left, grid.shape[1])))
    box = slice(top, bottom), slice(left, right), slice(data.draw(st.integers(0, 1)), 2)
    assert np.array_equal(Padded(picture, padding)[box], grid[box])


@pytest.mark.parametrize("sizes", [[3, 3], [2, 2], []])
def test_chunks_that_a_recipe_claims_must_hold_the_stream(sizes: list[int]) -> None:
    assert b"".join(png._cut_into_chunks([3, 0, 2], [b"ab", b"", b"cde"])).count(b"IDAT") == 3
    with pytest.raises(InputError, match="recipe"):
        list(png._cut_into_chunks(sizes, [b"ab", b"", b"cde"]))
