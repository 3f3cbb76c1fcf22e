"""Every instruction set, compiled by every compiler, gives the golden hashes: here, and on machines that are emulated."""

import importlib.util
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import exactness
import pytest

from hpac_cli import core
from hpac_cli.core import compile as build

PROGRAM = exactness.TESTS / "core" / "exactness.c"
AVX_VNNI = exactness.TESTS / "core" / "avxvnni_by_avx2.c"
CASES = exactness.make_cases()

Units = Mapping[str, list[str]]
"""By unit, in the order of the door: what it answers to every case."""


def link(compiler: build.Compiler, objects: Mapping[str, Path], folder: Path) -> Path:
    """Link the program that runs cases, without any library of the machine that it is for."""
    program = folder / "exactness"
    flags = ("-std=c11", "-O2", "-static", "-I", str(build.SOURCES))
    build.run([*compiler.command, *flags, str(PROGRAM), *map(str, objects.values()), "-o", str(program), "-lm"])
    return program


def run(program: Path, *emulator: str, cases: Sequence[exactness.Case] = CASES) -> Units:
    exactness.write_cases(cases, program.with_name("cases"))
    command = [*emulator, program, program.with_name("cases")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    units = defaultdict(list)
    for line in done.stdout.splitlines():
        unit, answer = line.split(maxsplit=1)
        units[unit].append(answer)
    return units


def assert_golden(units: Units, *expected: str, cases: Sequence[exactness.Case] = CASES) -> None:
    """There are the units that are expected, no others, and each answers as it must."""
    assert tuple(units) == expected
    golden = exactness.golden()[: len(exactness.names(cases))]
    for unit, found in units.items():
        assert exactness.with_names(found, cases) == golden, unit


def compiler(name: str, zig_triple: str) -> build.Compiler:
    """Take a compiler by its name; the test is skipped where it is missing."""
    if name == "zig":
        if importlib.util.find_spec("ziglang") is None:
            pytest.skip("zig is not installed")
        return build.zig_compiler(zig_triple)
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    return build.native_compiler(name)


def test_installed_units_are_exact() -> None:
    """The library beside the sources: what this machine's compiler made, which is gcc almost everywhere."""
    units = core.unit_names()
    assert_golden({unit: exactness.answers(CASES, unit) for unit in units}, *units)


@pytest.mark.skipif("linux" not in build.own_triple(), reason="links a static program, as Linux alone does")
@pytest.mark.parametrize("name", ["clang", "zig"])
def test_units_of_other_compilers_are_exact(name: str, tmp_path: Path) -> None:
    other = compiler(name, f"{build.own_triple().partition('-')[0]}-linux-musl")
    program = link(other, build.compile_objects(other, tmp_path), tmp_path)
    assert_golden(run(program), *core.unit_names())


@pytest.mark.skipif("avx2" not in core.unit_names(), reason="needs AVX2")
def test_avxvnni_is_exact_by_avx2(tmp_path: Path) -> None:
    """The AVX-VNNI unit's text, its one instruction replaced, in the place of the AVX2 unit: not many processors
    have AVX-VNNI, and no emulator of programs does."""
    here = build.machine_compiler()
    assert here is not None
    objects = build.compile_objects(here, tmp_path, ("-O1", "-DHPAC_HAS_AVX2"), ["plain"])
    flags = (*build.FLAGS, "-O1", *build.INSTRUCTION_SETS["x86_64"]["avx2"], "-I", str(build.SOURCES))
    here.compile(AVX_VNNI, tmp_path / "avxvnni.o", flags)
    program = link(here, {**objects, "avxvnni": tmp_path / "avxvnni.o"}, tmp_path)
    assert_golden(run(program), "avx2", "plain")


@pytest.fixture(scope="module", params=["aarch64-linux-gnu-gcc", "zig"])
def arm_program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("qemu-aarch64") is None:
        pytest.skip("qemu-aarch64 is not installed")
    folder = tmp_path_factory.mktemp("arm")
    cross = compiler(request.param, "aarch64-linux-musl")
    return link(cross, build.compile_objects(cross, folder), folder)


def test_arm_units_are_exact(arm_program: Path) -> None:
    assert_golden(run(arm_program, "qemu-aarch64", "-cpu", "max"), "neondot", "neon", "plain")


def test_arm_without_dot_products_is_not_offered_them(arm_program: Path) -> None:
    few = CASES[:1]
    assert_golden(run(arm_program, "qemu-aarch64", "-cpu", "cortex-a53", cases=few), "neon", "plain", cases=few)
