"""`hpac_cli.open`: parts of pictures from files, streams and URLs; arrays that are lazy; pydicom and imageio."""

import io
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pydicom
import pytest
from conftest import DATA, make_dicom, make_tiff, save_png

import hpac_cli
from hpac_cli import api, errors, images
from hpac_cli.plugins.imageio import HpacPlugin
from hpac_cli.plugins.pydicom import dcmread


class CountedStream(io.BytesIO):
    """Counts the bytes that are read."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


def coded(source: bytes, **options: Any) -> bytes:
    stream = io.BytesIO()
    api.Session(api.Options(effort=1, **options)).encode(images.read(source), stream)
    return stream.getvalue()


@pytest.fixture(scope="module")
def whole(photograph: np.ndarray) -> np.ndarray:
    return photograph[:256, :320]


@pytest.fixture(scope="module")
def data(whole: np.ndarray) -> bytes:
    return coded(save_png(whole), tile=64)


@pytest.fixture(scope="module")
def pages(photograph: np.ndarray) -> np.ndarray:
    return np.stack([photograph[100 + 5 * n : 140 + 5 * n, 200:260, 1] for n in range(4)]).astype(np.uint16) * 3


@pytest.fixture
def path(data: bytes, tmp_path: Path) -> Path:
    (tmp_path / "a.png.hpac").write_bytes(data)
    return tmp_path / "a.png.hpac"


def test_a_picture_tells_what_it_is(path: Path, whole: np.ndarray) -> None:
    with hpac_cli.open(path) as picture:
        assert (picture.shape, picture.dtype, picture.num_frames) == (whole.shape, np.uint8, 1)
        assert picture.metadata["kind"] == picture.kind == "png"
        assert picture.metadata["fidelity"] == "bytes"
        assert np.array_equal(picture.read(), whole)
        assert picture.read_file() == save_png(whole)
    with pytest.raises(hpac_cli.FileAccessError):
        picture.read()


def test_only_the_tiles_of_a_region_are_read(data: bytes, whole: np.ndarray) -> None:
    stream = CountedStream(data)
    picture = hpac_cli.open(stream)
    opened = stream.count
    assert opened < 1000
    part = picture.read(region=(70, 130, 50, 40))
    assert np.array_equal(part, whole[130:170, 70:120])
    assert stream.count - opened < len(data) / 8
    before = stream.count
    picture.read(region=(0, 0, 64, 64))
    assert stream.count - before < len(data) / 8
    picture.read()
    assert stream.count > len(data)
    assert not stream.closed


def test_a_stream_may_begin_in_the_middle(data: bytes, whole: np.ndarray) -> None:
    stream = io.BytesIO(b"before" + data)
    stream.seek(6)
    assert np.array_equal(hpac_cli.open(stream).read(region=(300, 200, 20, 56)), whole[200:, 300:])


def test_threads_share_a_picture(path: Path, whole: np.ndarray) -> None:
    regions = [(x, y, 70, 60) for x in range(0, 250, 50) for y in range(0, 190, 45)]
    with hpac_cli.open(path) as picture, ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda region: picture.read(region=region), regions))
    for (x, y, width, height), part in zip(regions, parts, strict=True):
        assert np.array_equal(part, whole[y : y + height, x : x + width])


def test_urls_are_read_in_ranges(data: bytes, whole: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec
    from fsspec.implementations.memory import MemoryFile

    system = fsspec.filesystem("memory")
    system.pipe_file("/opened/a.hpac", bytes(data))
    counts: list[int] = []
    read = MemoryFile.readinto
    monkeypatch.setattr(
        MemoryFile, "readinto", lambda self, buffer: counts.append(read(self, buffer) or 0) or counts[-1], raising=False
    )
    with hpac_cli.open("memory://opened/a.hpac") as picture:
        assert np.array_equal(picture.read(region=(0, 0, 64, 64)), whole[:64, :64])
    assert 0 < sum(counts) < len(data) / 2


def test_errors_are_at_the_top_of_the_package(tmp_path: Path, path: Path) -> None:
    for name, error in vars(errors).items():
        if isinstance(error, type) and issubclass(error, errors.HpacError):
            assert getattr(hpac_cli, name) is error
    with pytest.raises(hpac_cli.FileAccessError, match="no such file"):
        hpac_cli.open(tmp_path / "none.hpac")
    with pytest.raises(hpac_cli.FileAccessError, match="cannot reach"):
        hpac_cli.open("memory://there/is/none.hpac")
    with pytest.raises(hpac_cli.ContainerError):
        hpac_cli.open(io.BytesIO(b"no hpac file"))
    with hpac_cli.open(path) as picture:
        with pytest.raises(hpac_cli.UsageError, match="not inside"):
            picture.read(region=(0, 0, 999, 1))
        with pytest.raises(hpac_cli.UsageError, match="no frame 1"):
            picture.read(frame=1)
        with pytest.raises(hpac_cli.UsageError, match="no frame 1"):
            picture.frame(1)


@pytest.mark.parametrize("damage", ["cut", "altered", "length"])
def test_damage_is_noticed_where_it_is_read(damage: str, data: bytes, whole: np.ndarray) -> None:
    harmed = bytearray(data)
    if damage == "cut":
        del harmed[len(data) // 2 :]
    elif damage == "altered":
        harmed[len(data) - 200] ^= 1
    else:
        place = hpac_cli.open(io.BytesIO(data))._reader
        list(place.tiles_of([3]))
        harmed[place._places[3].offset + 1] = 0xFF
    picture = hpac_cli.open(io.BytesIO(bytes(harmed)))
    assert np.array_equal(picture.read(region=(0, 0, 64, 64)), whole[:64, :64])
    with pytest.raises(hpac_cli.ContainerError):
        picture.read(region=(256, 192, 64, 64))


def test_files_kept_whole_have_no_pixels(tmp_path: Path) -> None:
    source = make_tiff(np.arange(900, dtype=np.uint16).reshape(30, 30), compression="zstd")
    with hpac_cli.open(io.BytesIO(coded(source))) as picture:
        assert picture.num_frames == 0
        assert picture.read_file() == source
        for ask in (picture.read, lambda: picture.shape, picture.to_dask, picture.outline):
            with pytest.raises(hpac_cli.UnsupportedError, match="kept whole"):
                ask()


def test_frames_of_any_file_are_numbered(pages: np.ndarray) -> None:
    for source in (make_tiff(pages), make_dicom(pages)):
        picture = hpac_cli.open(io.BytesIO(coded(source)))
        assert (picture.num_frames, picture.pictures) == (4, (0, 1, 2, 3))
        assert np.array_equal(picture.read(frame=2)[..., 0], pages[2])


KEYS = [
    np.s_[10:20],
    np.s_[5, 7, 1],
    np.s_[:, 300:, 0],
    np.s_[..., 2],
    np.s_[200:100:-7, ::50],
    np.s_[-9:, -70:-3, 1:],
    np.s_[4:4],
    np.s_[3],
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_frames_are_sliced_like_arrays(key: Any, data: bytes, whole: np.ndarray) -> None:
    frame = hpac_cli.open(io.BytesIO(data)).frame()
    assert np.array_equal(frame[key], whole[key])
    assert frame[key].shape == whole[key].shape


def test_frames_are_arrays(data: bytes, whole: np.ndarray) -> None:
    assert np.array_equal(np.asarray(hpac_cli.open(io.BytesIO(data)).frame()), whole)


def test_dask_arrays_read_the_tiles_that_they_need(data: bytes, whole: np.ndarray) -> None:
    stream = CountedStream(data)
    lazy = hpac_cli.open(stream).to_dask()
    assert (lazy.shape, lazy.dtype, lazy.chunks[0]) == (whole.shape, np.uint8, (64, 64, 64, 64))
    opened = stream.count
    assert np.array_equal(lazy[100:110, 200:230, 1].compute(), whole[100:110, 200:230, 1])
    assert stream.count - opened < len(data) / 4
    assert lazy.mean().compute() == pytest.approx(whole.mean())


def test_dask_arrays_of_several_pictures(pages: np.ndarray) -> None:
    picture = hpac_cli.open(io.BytesIO(coded(make_tiff(pages))))
    assert np.array_equal(picture.to_dask().compute()[..., 0], pages)
    assert np.array_equal(picture.to_dask(frame=3).compute()[..., 0], pages[3])


def test_pictures_of_files_can_be_sent_elsewhere(path: Path, data: bytes, whole: np.ndarray) -> None:
    with hpac_cli.open(path) as picture:
        again = pickle.loads(pickle.dumps(picture.to_dask()))  # noqa: S301 (as dask does)
    assert np.array_equal(again.compute(), whole)
    with pytest.raises(TypeError, match="path or URL"):
        pickle.dumps(hpac_cli.open(io.BytesIO(data)))


def test_a_missing_package_is_named(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dask", "dask.array", "fsspec"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(hpac_cli.MissingPackageError, match="fsspec"):
        hpac_cli.open("memory://a.hpac")
    with pytest.raises(hpac_cli.MissingPackageError, match=r"hpac-cli\[cluster\]"):
        hpac_cli.open(io.BytesIO(data)).to_dask()


def test_pydicom_reads_dicom(pages: np.ndarray, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "scan.dcm.hpac"
    source = make_dicom(pages)
    path.write_bytes(coded(source))
    ours, theirs = dcmread(path), pydicom.dcmread(io.BytesIO(source))
    assert ours == theirs
    assert np.array_equal(ours.pixel_array, pages)
    with pytest.raises(hpac_cli.UnsupportedError, match="png"):
        dcmread(io.BytesIO(data))


def test_pydicom_reads_what_stands_before_the_pixels_without_decoding(pages: np.ndarray) -> None:
    source = make_dicom(np.tile(pages, (1, 4, 4)))
    stream = CountedStream(coded(source))
    dataset = dcmread(stream, stop_before_pixels=True)
    assert dataset.PatientName == "Nobody^At^All"
    assert "PixelData" not in dataset
    assert stream.count < len(stream.getvalue()) / 4


def test_an_outline_has_all_but_the_samples(pages: np.ndarray) -> None:
    source = make_tiff(pages, description="what stands around")
    with hpac_cli.open(io.BytesIO(coded(source))).outline() as outline:
        found = outline.read()
    assert len(found) == len(source)
    assert b"what stands around" in found
    assert pages[0, 0].tobytes() not in found


def test_imageio_reads_and_writes(tmp_path: Path, pages: np.ndarray, whole: np.ndarray) -> None:
    path = tmp_path / "a.hpac"
    iio.imwrite(path, whole, effort=1)
    assert np.array_equal(iio.imread(path), whole)
    properties = iio.improps(path)
    assert (properties.shape, properties.dtype, properties.n_images) == (whole.shape, np.uint8, None)
    iio.imwrite(path, pages, effort=1)
    assert np.array_equal(iio.imread(path), pages)
    assert np.array_equal(iio.imread(path, index=2), pages[2])
    assert [page.shape for page in iio.imiter(path)] == [pages[0].shape] * 4
    assert iio.improps(path).n_images == 4
    assert iio.immeta(path)["kind"] == "arrays"
    coded = iio.imwrite("<bytes>", whole, extension=".hpac", plugin="HPAC", effort=1)
    assert np.array_equal(iio.imread(coded, plugin="HPAC"), whole)


def test_imageio_reads_files_of_other_kinds(pages: np.ndarray) -> None:
    for source in (make_tiff(pages), make_dicom(pages)):
        assert np.array_equal(iio.imread(coded(source), extension=".hpac", plugin=HpacPlugin), pages)
    with pytest.raises(OSError, match="can not handle"):
        iio.imread((DATA / "kodim23.png").read_bytes(), plugin="HPAC")
