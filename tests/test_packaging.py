"""What is built and installed: a wheel for every Python of a platform, small, without torch, compiled by what is there."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from hpac_cli.core import compile as core

ROOT = Path(__file__).parents[1]
MAX_INSTALLED_BYTES = 150_000_000
HOME = "https://example.org/hpac"


def run(*command: str | Path, **changed: str) -> str:
    """Run a command that must succeed, away from this checkout's modules; return what it printed."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "CC", "HPAC_TARGET")} | changed
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    build = f"from hatchling.build import build_sdist; build_sdist({str(folder)!r})"
    run(sys.executable, "-c", build, HPAC_HOMEPAGE=HOME)
    return next(folder.iterdir())


@pytest.fixture(scope="module")
def wheel(sdist: Path) -> Path:
    """Built from what PyPI would get, which therefore lacks nothing."""
    folder = sdist.parent / "wheel"
    build = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, sdist)
    run(*build, HPAC_HOMEPAGE=HOME)
    return next((sdist.parent / "wheel").iterdir())


@pytest.fixture(scope="module")
def programs(wheel: Path) -> Path:
    """The folder of programs of an environment that has the wheel and what it depends on, and nothing else."""
    environment = wheel.parent / "environment"
    run(sys.executable, "-m", "venv", environment)
    folder = environment / ("Scripts" if os.name == "nt" else "bin")
    run(folder / "python", "-m", "pip", "install", "--quiet", wheel)
    return folder


def site_packages(programs: Path) -> Path:
    return Path(run(programs / "python", "-c", "import sysconfig; print(sysconfig.get_path('platlib'))").strip())


def test_source_distribution_is_clean_of_built_libraries(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        assert not [name for name in archive.getnames() if name.endswith((".so", ".dylib", ".dll"))]


def test_wheel_is_for_one_platform_and_every_python(wheel: Path) -> None:
    assert "-py3-none-" in wheel.name
    assert not wheel.name.endswith("-any.whl")


def test_wheel_has_the_core_compiled_and_nothing_to_compile(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert [name for name in names if name.startswith("hpac_cli/core/hpac_core.")]
    assert not [name for name in names if name.endswith((".c", ".h", "core/compile.py"))]


def test_links_of_the_description_lead_somewhere(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA"))
    links = re.findall(r"(!?)\[[^\]]*\]\(([^)]*)\)", metadata)
    assert ("!", f"{HOME}/raw/main/docs/benchmarks.svg") in links
    assert ("", f"{HOME}/blob/main/docs/format.md") in links
    assert not [address for _, address in links if ":" not in address]
    assert f"Project-URL: Homepage, {HOME}\n" in metadata


def test_installed_core_loads_and_exports_its_door_alone(programs: Path) -> None:
    library = next((site_packages(programs) / "hpac_cli" / "core").glob("hpac_core.*"))
    program = "import ctypes, sys; print(hasattr(ctypes.CDLL(sys.argv[1]), 'hpac_unit_plain'))"
    assert run(programs / "python", "-c", program, library) == "False\n"


def test_torch_is_not_installed(programs: Path) -> None:
    assert not (site_packages(programs) / "torch").exists()


def test_installation_is_small(programs: Path) -> None:
    packages = [path for path in site_packages(programs).iterdir() if not path.name.startswith(("pip", "setuptools"))]
    files = [file for path in packages for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= MAX_INSTALLED_BYTES


def test_installed_program_tells_its_version(programs: Path) -> None:
    assert run(programs / "hpac", "--version").startswith("hpac 0.")


def test_installed_program_gives_a_photograph_back(programs: Path, tmp_path: Path) -> None:
    photograph = ROOT / "tests" / "data" / "kodim23.png"
    run(programs / "hpac", "encode", photograph, "-o", tmp_path / "photograph.hpac")
    run(programs / "hpac", "decode", tmp_path / "photograph.hpac", "-o", tmp_path / "photograph.png")
    assert (tmp_path / "photograph.png").read_bytes() == photograph.read_bytes()


REQUIRED = "from hatchling.build import get_requires_for_build_wheel as required; print(required())"


def test_zig_is_asked_for_where_there_is_no_compiler(tmp_path: Path) -> None:
    assert "ziglang" in run(sys.executable, "-c", REQUIRED, PATH=str(tmp_path))


def test_zig_is_asked_for_where_the_compiler_does_not_work(tmp_path: Path) -> None:
    (tmp_path / "cc").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "cc").chmod(0o755)
    assert "ziglang" in run(sys.executable, "-c", REQUIRED, PATH=str(tmp_path))


@pytest.mark.skipif(core.machine_compiler() is None, reason="this machine has no compiler")
def test_zig_is_not_asked_for_where_there_is_a_compiler() -> None:
    assert run(sys.executable, "-c", REQUIRED) == "[]\n"


@pytest.fixture
def small_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sources in place of the core's that compile at once; `door.c` fails where HPAC_HAS_ODD is defined."""
    (tmp_path / "unit.c").write_text("int hpac_unit(void);\nint hpac_unit(void) { return 1; }\n")
    (tmp_path / "door.c").write_text("#ifdef HPAC_HAS_ODD\n#error odd\n#endif\ntypedef int door;\n")
    monkeypatch.setattr(core, "SOURCES", tmp_path)
    return tmp_path


@pytest.mark.skipif(core.machine_compiler() is None, reason="this machine has no compiler")
def test_instruction_sets_that_the_compiler_does_not_know_are_left_out(
    small_sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = core.find_compiler()
    monkeypatch.setitem(core.INSTRUCTION_SETS, compiler.target.machine, {"plain": (), "odd": ("-mno-such-set",)})
    assert set(core.compile_objects(compiler, small_sources)) & {"plain", "odd", "door"} == {"plain", "door"}


@pytest.mark.parametrize(
    ("triple", "tag", "library"),
    [
        ("x86_64-linux-gnu.2.17", "manylinux_2_17_x86_64", "hpac_core.so"),
        ("aarch64-linux-musl", "musllinux_1_2_aarch64", "hpac_core.so"),
        ("x86_64-pc-linux-gnu", "linux_x86_64", "hpac_core.so"),
        ("arm64-apple-darwin23.6.0", "macosx_11_0_arm64", "hpac_core.dylib"),
        ("x86_64-macos.11.0", "macosx_11_0_x86_64", "hpac_core.dylib"),
        ("x86_64-w64-mingw32", "win_amd64", "hpac_core.dll"),
        ("aarch64-windows-gnu", "win_arm64", "hpac_core.dll"),
    ],
)
def test_targets_have_their_tag_and_library(triple: str, tag: str, library: str) -> None:
    assert (core.Target(triple).tag, core.Target(triple).library_name) == (tag, library)


@pytest.mark.parametrize("triple", ["aarch64-linux-gnu", "aarch64-macos", "aarch64-windows-gnu", "x86_64-windows-gnu"])
def test_core_compiles_for_other_machines(triple: str, tmp_path: Path) -> None:
    pytest.importorskip("ziglang", reason="the extra `cross` is not installed")
    compiler = core.zig_compiler(triple)
    objects = core.compile_objects(compiler, tmp_path, core.STRICT)
    others = {
        f"{path.parent.name}_{path.stem}" for room in core.OTHERS for path in (core.SOURCES.parent / room).glob("*.c")
    }
    assert set(objects) == {"door", *others, *core.INSTRUCTION_SETS[compiler.target.machine]}
    assert all(path.stat().st_size for path in objects.values())
