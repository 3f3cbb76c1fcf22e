"""The rooms of the house import only what they may (see docs/architecture.md)."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import hpac, save_png

ROOT = Path(__file__).parents[1] / "src" / "hpac_cli"
BASE = {"errors", "image", "kept", "limits", "binary"}
MAY_IMPORT = {
    "errors": set(),
    "image": {"kept"},
    "kept": set(),
    "limits": {"errors"},
    "binary": {"errors"},
    "files": {"errors"},
    "signals": set(),
    "core": {"errors"},
    "deflate": {"core"},
    "jpeg": {"core"},
    "segments": {"core"},
    "images": BASE | {"deflate", "jpeg", "segments"},
    "container": BASE,
    "model": BASE,
    "training": BASE | {"model", "images"},
    "entropy": BASE,
    "codec": BASE | {"container", "model", "core", "entropy"},
    "adapt": BASE | {"signals", "container", "model", "training", "codec"},
    "api": BASE | {"files", "images", "codec", "container", "adapt"},
    "bench": BASE | {"api", "batch", "files", "images"},
    "plugins": BASE | {"api", "images", "container"},
    "batch": BASE | {"signals", "files", "api"},
    "cli": BASE | {"api", "bench", "batch", "files", "images", "training", "container"},
}
NATIVE = ("core", "deflate", "jpeg", "segments")
"""Rooms of C."""
ONLY_IN = {
    "constriction": {"entropy"},
    "torch": {"training", "adapt"},
    "ctypes": {"core", "deflate", "files", "jpeg", "segments", "training"},
    "PIL": {"images", "codec", "training", "bench", "plugins"},
    "tifffile": {"images", "training"},
    "pydicom": {"images", "plugins"},
    "imageio": {"plugins"},
    "fsspec": {"api", "batch"},
    "dask": {"api", "batch"},
    "imagecodecs": {"images", "bench"},
    "safetensors": {"model"},
}


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Absolute names of everything a file imports, wherever in it."""
    package = ["hpac_cli", *path.relative_to(ROOT).parent.parts]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*origin, *([node.module] if node.module else [])])
            found |= (
                {start} if node.module and start != "hpac_cli" else {f"{start}.{alias.name}" for alias in node.names}
            )
    return found


FILES = [p for p in sorted(ROOT.rglob("*.py")) if room_of(p) not in ("__init__", "__main__")]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_rooms_import_only_what_they_may(path: Path) -> None:
    room = room_of(path)
    ours = {name.split(".")[1] for name in imports(path) if name.startswith("hpac_cli.")}
    assert ours <= MAY_IMPORT[room] | {room, "__version__"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_packages_stay_in_their_rooms(path: Path) -> None:
    for package in {name.split(".")[0] for name in imports(path)} & set(ONLY_IN):
        assert room_of(path) in ONLY_IN[package]


def test_nothing_unpickles_or_evaluates() -> None:
    for path in FILES:
        text = path.read_text()
        assert not any(word in text for word in ("import pickle", "eval(", "exec(", "weights_only=False")), path


@pytest.mark.parametrize("room", NATIVE)
def test_native_code_includes_nothing_but_itself_and_the_standard_library(room: str) -> None:
    standard = {"stdbool.h", "stddef.h", "stdint.h", "stdlib.h", "string.h"}
    compilers = {"cpuid.h", "immintrin.h", "emmintrin.h", "arm_neon.h"}
    systems = {"windows.h", "sys/auxv.h", "sys/sysctl.h"}
    for path in (ROOT / room).glob("*.[ch]"):
        text = path.read_text()
        assert set(re.findall(r"#include <(.*)>", text)) <= standard | compilers | systems, path
        assert all((ROOT / room / name).exists() for name in re.findall(r'#include "(.*)"', text)), path


@pytest.mark.parametrize("room", NATIVE)
def test_every_file_of_native_code_is_described(room: str) -> None:
    described = (ROOT.parents[1] / "docs" / "architecture.md").read_text()
    names = {path.name for path in (ROOT / room).glob("*.[ch]")}
    assert {name for name in names if f"`{name}`" not in described and not name.startswith("vector_")} == set()


def test_pictures_are_encoded_and_decoded_without_torch(
    tmp_path: Path, photograph: np.ndarray, without_torch: dict[str, str]
) -> None:
    source, coded, back = (tmp_path / name for name in ("a.png", "a.png.hpac", "b.png"))
    source.write_bytes(save_png(photograph[:70, :90]))
    assert hpac("encode", source, **without_torch).returncode == 0
    assert hpac("decode", coded, "-o", back, **without_torch).returncode == 0
    assert back.read_bytes() == source.read_bytes()
