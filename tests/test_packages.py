"""What packages of hpac hold beside the program: manual page, completions, and how files are recognised."""

import re
import runpy
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import hpac

import hpac_cli

ROOT = Path(__file__).parents[1]
PACKAGING = ROOT / "packaging"


def test_generated_files_are_current() -> None:
    generated: Callable[[], dict[str, str]] = runpy.run_path(str(PACKAGING / "generate.py"))["generated"]
    for name, text in generated().items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, f"{name}: run make packaging"


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_alone_compiles_the_core_when_its_sources_change() -> None:
    would = subprocess.run(
        ["make", "--dry-run", "-W", "src/hpac_cli/core/door.c"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "core/compile.py" in would.stdout


def test_every_file_is_in_the_wheel() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    shared = build["wheel"]["shared-data"]
    assert shared["packaging/hpac.1"] == "share/man/man1/hpac.1"
    apart = {PACKAGING / name for name in ("generate.py", "hpac.magic", "Dockerfile", "conda")}
    assert {ROOT / name for name in shared} == set(PACKAGING.iterdir()) - apart
    assert "packaging" in build["sdist"]["include"]


@pytest.mark.skipif(shutil.which("man") is None, reason="there is no man command here")
def test_the_manual_page_is_shown_without_warnings() -> None:
    command = ["man", "--warnings", "-E", "UTF-8", "-l", str(PACKAGING / "hpac.1")]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stderr == ""
    assert "--output-dir DIR" in shown.stdout
    assert "hpac decode [OPTION]... [IN]..." in shown.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_completes_commands() -> None:
    script = f"source {PACKAGING / 'hpac.bash'}; complete -p hpac"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert "_hpac_completion" in done.stdout
    found = hpac(_HPAC_COMPLETE="complete_bash", COMP_WORDS="hpac ver", COMP_CWORD="1")
    assert found.stdout.split() == [b"verify"]


@pytest.mark.skipif(shutil.which("file") is None, reason="there is no file command here")
@pytest.mark.parametrize(("content", "kind"), [(b"P5\n1 1\n255\n1", "a PNM file"), (b"x", "a file kept whole")])
def test_file_knows_hpac_files(content: bytes, kind: str, tmp_path: Path) -> None:
    coded = tmp_path / "a.hpac"
    coded.write_bytes(hpac("encode", "--all", "-", data=content).stdout)

    def ask(*options: str) -> str:
        command = ["file", "-b", *options, "-m", str(PACKAGING / "hpac.magic"), str(coded)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert ask() == f"HPAC lossless image, format 1.0, of {kind}"
    assert ask("--mime-type") == "image/x-hpac"


@pytest.mark.skipif(shutil.which("update-mime-database") is None, reason="shared-mime-info is not installed")
def test_desktops_know_hpac_files(tmp_path: Path) -> None:
    (tmp_path / "packages").mkdir()
    shutil.copy(PACKAGING / "hpac.xml", tmp_path / "packages")
    subprocess.run(["update-mime-database", str(tmp_path)], capture_output=True, check=True)
    assert "image/x-hpac:*.hpac" in (tmp_path / "globs").read_text()
    assert b"\x89HPAC\r\n\x1a\n" in (tmp_path / "magic").read_bytes()


def test_the_conda_recipe_asks_for_what_the_wheel_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    recipe = (PACKAGING / "conda" / "meta.yaml").read_text()
    run = re.search(r"(?m)^  run:\n((?:    - .*\n)+)", recipe)[1]  # type: ignore[index]
    asked = {line.strip("- ").replace(" ", "") for line in run.splitlines()}
    python = "python" + project["project"]["requires-python"]
    assert asked == {python, *project["project"]["dependencies"]}
    assert f'version = "{hpac_cli.__version__}"' in recipe
    (backend,) = project["build-system"]["requires"]
    assert f"- {backend.replace('>=', ' >=')}\n" in recipe


def test_the_image_of_a_container_copies_what_a_wheel_is_built_from() -> None:
    lines = (PACKAGING / "Dockerfile").read_text().splitlines()
    copied = {name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", "README.md", *project["project"]["license-files"]}
    needed |= {wheel["hooks"]["custom"]["path"]}
    needed |= {name.split("/")[0] for name in (*wheel["packages"], *wheel["force-include"], *wheel["shared-data"])}
    assert copied == needed
