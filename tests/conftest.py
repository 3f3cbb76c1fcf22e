"""Fixtures and makers that several test files share."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from numpy.typing import NDArray
from PIL import Image as PillowImage

from hpac_cli.codec.networks import Networks
from hpac_cli.intnet.backends import make_backend
from hpac_cli.intnet.network import Network
from hpac_cli.intnet.tables import make_tables
from hpac_cli.intnet.weights import Shape, Weights, layer_shapes, load_by_name

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


def make_network(weights: Weights, backend: str = "float32") -> Network:
    device = torch.device("cpu")
    return Network(weights, make_backend(backend, device), device)


@pytest.fixture(scope="session", params=["rgb", "grey"])
def real_network(request: pytest.FixtureRequest) -> Network:
    return make_network(load_by_name(request.param))


def random_weights(planes: int, seed: int, *, scale: int = 127) -> Weights:
    """Integers that no training made: large weights, wild biases, every activation in use."""
    rng = np.random.default_rng(seed)
    shape = Shape(planes=planes, width=8, blocks=2, head=8, components=3)
    arrays = {f"table.{name}": table for name, table in make_tables().items()}
    for name, (outputs, inputs) in layer_shapes(shape):
        arrays[f"{name}.weight"] = rng.integers(-scale, scale + 1, (outputs, inputs)).astype(np.int8)
        arrays[f"{name}.bias"] = rng.integers(-2000, 2001, outputs).astype(np.int32)
        arrays[f"{name}.shift"] = rng.integers(5, 10, outputs).astype(np.int32)
    return Weights("random", shape, arrays)


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
