"""The core of arm64 on other machines: compiled by a cross compiler, run by an emulator, where both are installed."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from hpac_cli.core import compile as core
from hpac_cli.model.tables import load_tables

COMPILER, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64"

MAIN = """\
#include <stdio.h>
#include <stdlib.h>
#include "hpac_core.h"
int main(int number, char **arguments) {
  static int32_t tables[1 << 16];
  FILE *file = number == 2 ? fopen(arguments[1], "rb") : NULL;
  if (!file) return EXIT_FAILURE;
  const size_t count = fread(tables, sizeof *tables, 1 << 16, file);
  fclose(file);
  for (int unit = 0; unit < hpac_num_units(); unit++)
    printf("%s %d\\n", hpac_unit_name(unit), hpac_unit_is_exact(unit, tables, (int64_t)count));
  return 0;
}
"""


@pytest.mark.skipif(not (shutil.which(COMPILER) and shutil.which(EMULATOR)), reason=f"no {COMPILER} or no {EMULATOR}")
def test_units_of_arm64_give_the_words_of_plain(tmp_path: Path) -> None:
    compiler = core.native_compiler(COMPILER)
    objects = core.compile_objects(compiler, tmp_path)
    main, program, tables = tmp_path / "main.c", tmp_path / "main", tmp_path / "tables"
    main.write_text(MAIN)
    np.concatenate(list(load_tables().values())).astype("<i4").tofile(tables)
    core.run(
        [COMPILER, "-static", f"-I{core.SOURCES}", str(main), *map(str, objects.values()), "-o", str(program), "-lm"]
    )
    printed = subprocess.run([EMULATOR, program, tables], capture_output=True, text=True, check=True).stdout
    assert printed.splitlines() == ["neondot 1", "neon 1", "plain 1"]
