"""Fixtures and makers that several test files share."""

import io
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import settings
from numpy.typing import NDArray
from PIL import Image as PillowImage
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from hpac_cli.codec.networks import Network, Networks
from hpac_cli.core import TileCoder, unit_names
from hpac_cli.model.index import load_by_name
from hpac_cli.model.layers import layer_table
from hpac_cli.model.pack import packed, packed_tables
from hpac_cli.model.shape import Shape
from hpac_cli.model.weights import IntegerLayer, Weights

DATA = Path(__file__).parent / "data"

settings.register_profile("hpac", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("hpac")


@pytest.fixture(scope="session")
def networks() -> Networks:
    return Networks()


@pytest.fixture(scope="session")
def photograph() -> NDArray[np.uint8]:
    """A real photograph, (512, 768, 3)."""
    return np.asarray(PillowImage.open(DATA / "kodim23.png"))


def make_other_photograph(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Move a photograph by half a pixel, which hides the luma and chroma that it was made of."""
    wide = samples.astype(np.uint16)
    return ((wide + np.roll(wide, 1, 1) + 1) // 2).astype(np.uint8)


def make_network(weights: Weights, unit: str = "") -> Network:
    """Pack weights for an instruction set; for the fastest one if none is named."""
    return Network(weights, TileCoder(packed(weights), packed_tables(), unit or unit_names()[0]))


@pytest.fixture(scope="session", params=["rgb-medium", "ycc-small", "grey-large"])
def real_network(request: pytest.FixtureRequest) -> Network:
    return make_network(load_by_name(request.param))


def random_weights(planes: int, seed: int) -> Weights:
    """Integers that no training made, of a small network; with a context or without."""
    context, places = ((0, 0), (16, 0), (16, 2))[seed % 3]
    sizes = {"width": 16, "blocks": 2, "head": 16, "components": 3}
    return fill_shape(Shape(planes=planes, context=context, context_places=places, **sizes), seed)


def fill_shape(shape: Shape, seed: int, largest: int = 127) -> Weights:
    """Weights of up to `largest`, and wild biases; with 127 nearly everything is clamped somewhere."""
    rng = np.random.default_rng(seed)
    layers = {
        layer.name: IntegerLayer(
            rng.integers(-largest, largest + 1, (layer.outputs, layer.inputs)).astype(np.int8),
            rng.integers(-2000, 2001, layer.outputs).astype(np.int32),
            rng.integers(5, 10, layer.outputs).astype(np.int32),
        )
        for layer in layer_table(shape)
    }
    return Weights("random", shape, layers)


QUICK = {"HPAC_ENCODE_EFFORT": "1", "HPAC_CHECK_EFFORT": "1"}
"""What the command line is run with in tests that are not about efforts."""


def hpac(
    *args: object, cwd: Path | None = None, data: bytes | None = None, **env: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the command line as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "hpac_cli", *map(str, args)],
        cwd=cwd,
        input=data,
        capture_output=True,
        env={**os.environ, **QUICK, **env},
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="session")
def without_torch(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment of a process that finds no torch."""
    folder = tmp_path_factory.mktemp("no-torch")
    (folder / "torch.py").write_text("raise ModuleNotFoundError('hidden by a test', name='torch')")
    return {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


def start_hpac(*args: object, **options: Any) -> subprocess.Popen[bytes]:
    """Start the command line, interruptible even where the tests were started in the background."""
    return subprocess.Popen(
        [sys.executable, "-m", "hpac_cli", *map(str, args)],
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env={**os.environ, **QUICK, **options.pop("env", {})},
        **options,
    )


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.01)


def save_png(samples: NDArray[np.uint8], **options: object) -> bytes:
    file = io.BytesIO()
    PillowImage.fromarray(samples).save(file, "png", **options)
    return file.getvalue()


CONTENTS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.uint8]]] = {
    "constant": lambda rng, shape: np.full(shape, rng.integers(256), np.uint8),
    "noise": lambda rng, shape: rng.integers(0, 256, shape).astype(np.uint8),
    "extremes": lambda rng, shape: rng.choice(np.array([0, 255], np.uint8), shape),
    "ramp": lambda rng, shape: (np.indices(shape).sum(0) * 3 % 256).astype(np.uint8),
    "spikes": lambda rng, shape: np.where(rng.random(shape) < 0.02, 255, 3).astype(np.uint8),
}


def make_tiff(samples: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, samples, **{"photometric": "minisblack", "metadata": None, **options})
    return file.getvalue()


def make_dicom(samples: np.ndarray, **attributes: Any) -> bytes:
    """A small secondary capture, explicit little endian; samples (H, W), (H, W, 3) or (N, H, W)."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    data = Dataset()
    data.file_meta = meta
    data.PatientName = "Nobody^At^All"
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    colour = samples.ndim == 3 and samples.shape[2] == 3
    data.Rows, data.Columns = samples.shape[:2] if colour or samples.ndim == 2 else samples.shape[1:]
    data.SamplesPerPixel = 3 if colour else 1
    if colour:
        data.PlanarConfiguration = 0
    if samples.ndim == 3 and not colour:
        data.NumberOfFrames = len(samples)
    data.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8 * samples.dtype.itemsize
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(samples.dtype.kind == "i")
    data.add_new(0x00090010, "LO", "A PRIVATE CREATOR")
    data.add_new(0x00091001, "UN", b"private bytes")
    data.PixelData = samples.tobytes() + bytes(samples.nbytes % 2)
    for name, value in attributes.items():
        setattr(data, name, value)
    file = io.BytesIO()
    data.save_as(file, enforce_file_format=True)
    return file.getvalue()


def other_compressor_png() -> bytes:
    """A PNG file whose deflate stream is not zlib's: stored blocks of odd sizes."""
    rows = b"".join(b"\0" + bytes(range(10 * y, 10 * y + 10)) for y in range(6))
    stored = b"".join(
        (b"\1" if i == 5 else b"\0") + struct.pack("<HH", 11, 0xFFFF - 11) + rows[11 * i :][:11] for i in range(6)
    )
    body = b"\x78\x01" + stored + zlib.adler32(rows).to_bytes(4, "big")
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", 10, 6, 8, 0, 0, 0, 0)), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
