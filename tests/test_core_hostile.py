"""The core without memory, and on several threads: fuzzing/hostile.c says what each run does."""

import os
import subprocess
from pathlib import Path

import pytest
from fuzzing.material import write_material

from hpac_cli.core import compile as core
from hpac_cli.core import unit_names

PROGRAM = Path(__file__).parent / "fuzzing" / "hostile.c"
UNITS = list(dict.fromkeys((unit_names()[0], "plain")))
WRAPPED = "-Wl,--wrap=malloc,--wrap=calloc,--wrap=free"


def run(folder: Path, what: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """Compile the core and the program; skips where the compiler does not take the flags."""
    compiler = core.machine_compiler()
    if compiler is None or compiler.target.system != "linux" or not compiler.compiles([*flags, WRAPPED]):
        pytest.skip(f"no C compiler that takes {' '.join(flags)} {WRAPPED}")
    flags = ("-O1", "-g", *flags)
    objects = core.compile_objects(compiler, folder, flags, UNITS)
    program = folder / "hostile"
    sources = [f"-I{core.SOURCES}", str(PROGRAM), *map(str, objects.values())]
    core.run([*compiler.command, "-std=c11", *flags, *sources, "-o", str(program), WRAPPED, "-pthread", "-lm"])
    write_material(folder / "material.bin")
    environment = {**os.environ, "HPAC_FUZZ_MATERIAL": str(folder / "material.bin")}
    return subprocess.run([program, what], env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize(("what", "flags"), [("memory", []), ("threads", ["-fsanitize=thread"])])
def test_hostile(what: str, flags: list[str], tmp_path: Path) -> None:
    done = run(tmp_path, what, *flags)
    assert done.returncode == 0, done.stderr[-4000:]
    assert {line.partition(":")[0] for line in done.stdout.splitlines()} == set(UNITS)
