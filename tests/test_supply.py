"""The program runs no code from files and talks to nobody; what it depends on is bounded and licensed."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from hpac_cli.codec.networks import Networks
from hpac_cli.model.index import shipped_index

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
EXCEPTIONS = {
    "plugins/zarr.py": {"asyncio"},
    "bench/memory.py": {"subprocess"},
    "core/__init__.py": {"ctypes"},
    "deflate/__init__.py": {"ctypes"},
    "jpeg/__init__.py": {"ctypes"},
    "segments/__init__.py": {"ctypes"},
    "files.py": {"ctypes"},
    "training/memory.py": {"ctypes"},
    "training/train.py": {"pickle"},
    "core/compile.py": {"subprocess", "importlib"},
}
"""zarr calls its codecs so, and connects to nothing; bench starts its own file to watch memory; C is called
through ctypes, as is Linux for a name that must be new; and what compiles it stays out of wheels; training asks glibc to keep memory, and catches an error of
pickle's."""
NETWORK = {"socket", "http", "urllib", "requests", "ftplib", "ssl", "asyncio", "smtplib", "xmlrpc"}
CODE = {"pickle", "marshal", "shelve", "dill", "joblib", "importlib", "ctypes", "subprocess"}


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT / "src")))
def test_no_network_and_no_code_from_data(path: Path) -> None:
    tree = ast.parse(path.read_text())
    found = imported(tree) - EXCEPTIONS.get(str(path.relative_to(ROOT / "src" / "hpac_cli")), set())
    assert not found & (NETWORK | CODE)
    called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert not called & {"eval", "exec", "compile", "__import__"}


@pytest.mark.parametrize("name", shipped_index())
def test_the_weights_that_ship_are_the_ones_described(name: str, networks: Networks) -> None:
    digest = networks.digest(name).hex()
    rows = (ROOT / "weights" / "README.md").read_text().splitlines()
    assert any(row.startswith(f"| {name} |") and row.endswith(f"| {digest} |") for row in rows)


def test_torch_reads_checkpoints_as_data_alone() -> None:
    for path in SOURCES:
        text = path.read_text()
        assert text.count("torch.load(") == len(re.findall(r"torch\.load\([^\n]*weights_only=True", text)), path


def test_every_dependency_has_a_lower_and_an_upper_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in project["dependencies"]:
        assert ">=" in requirement, requirement
        assert "<" in requirement, requirement


def test_every_dependency_is_listed_with_its_licence() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {name: some for name, some in project["optional-dependencies"].items() if name not in ("test", "lint")}
    listed = (ROOT / "docs" / "licences.md").read_text()
    for extra, requirements in {"": project["dependencies"], **extras}.items():
        for requirement in requirements:
            name = re.match(r"[\w.-]+", requirement)[0]  # type: ignore[index]
            where = rf"extras?.* `{extra}`" if extra else "every installation"
            assert re.search(rf"(?m)^\| {re.escape(name)} \| .+ \| {where}", listed), (name, extra)
