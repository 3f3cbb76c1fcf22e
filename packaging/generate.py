"""Writes what packages of hpac hold beside the program, the manual page and the completions of shells, and what
docs/architecture.md says of every Python file.

`make packaging` runs it; tests/test_packages.py tells when it has to be run.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from hpac_cli import __version__
from hpac_cli.cli.app import EXIT_CODES, HABITS, app
from hpac_cli.cli.main import main  # noqa: F401 (importing it registers the commands)

ROOT = Path(__file__).resolve().parents[1]
ARCHITECTURE = "docs/architecture.md"
EVERY_FILE = "## Every Python file\n"
"""The last heading of docs/architecture.md; what follows is written here."""
COMPLETIONS = {"bash": "hpac.bash", "zsh": "_hpac", "fish": "hpac.fish"}
"""Files by shell."""
_FILES = """\
.TP
.I $XDG_CONFIG_HOME/hpac/config.toml
Defaults of options, in TOML: a table for each command, with options as their long names. Where XDG_CONFIG_HOME is not
set it is
.IR ~/.config .
"""
_ENVIRONMENT = """\
.TP
.B HPAC_COMMAND_OPTION
Default of an option of a command, as HPAC_ENCODE_JOBS=2. It comes before the file of defaults, and options before both.
.TP
.B HPAC_BACKEND
Instruction set to use, as --backend.
.TP
.B HPAC_TRACEBACK
If it is set, faults of hpac show where they happened.
"""
_EXAMPLES = """\
.nf
hpac encode photo.png
hpac decode photo.png.hpac
tar c photos | hpac encode \\-\\-all \\- > photos.tar.hpac
hpac encode \\-r photos/ \\-\\-output\\-dir archive/ \\-\\-skip\\-existing
hpac list \\-r archive/
hpac decode scan.dcm.hpac \\-\\-region 0,512,256,256 \\-o part.png
.fi
"""


def manual() -> str:
    """The manual page, in man's macros of roff."""
    program: Any = typer.main.get_command(app)
    context = typer.Context(program, info_name="hpac")
    parts = [
        f'.TH HPAC 1 "" "hpac {__version__}" "User Commands"',
        f".SH NAME\nhpac \\- {_roff(_lower_first(program.help))}",
        ".SH SYNOPSIS\n.B hpac\n[\\fIOPTION\\fR]... \\fICOMMAND\\fR [\\fIARGUMENT\\fR]...",
        ".SH DESCRIPTION",
        "Images become .hpac files, which are smaller than those of other lossless formats, and come back exactly, byte for "
        "byte. Outputs appear under their names only when they are whole, and overwrite nothing unless \\-\\-force is given.",
        _roff("In the place of a command, " + ", ".join(f"{k} stands for {v}" for k, v in HABITS.items()) + "."),
        ".SH OPTIONS",
        *(text for parameter in program.params for text in _option(parameter)),
        ".SH COMMANDS",
    ]
    for name in program.list_commands(context):
        parts += _command(name, program.get_command(context, name))
    codes = _roff(EXIT_CODES.removeprefix("Exit codes: ").replace("\n", " ").strip()).replace("; ", ";\n.br\n")
    parts += [
        f".SH EXIT STATUS\n{codes}",
        f".SH ENVIRONMENT\n{_ENVIRONMENT}.SH FILES\n{_FILES}.SH EXAMPLES\n{_EXAMPLES}",
    ]
    return "\n".join(part.rstrip("\n") for part in parts) + "\n"


def _command(name: str, command: Any) -> Iterator[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    words = " ".join(_roff(argument.metavar or argument.name.upper()) for argument in arguments)
    yield f".SS hpac {name} [\\fIOPTION\\fR]... {words}"
    yield _roff(command.help)
    for argument in arguments:
        yield f".TP\n.I {_roff(argument.metavar)}\n{_roff(argument.help or '')}"
    for parameter in command.params:
        yield from _option(parameter)
    for paragraph in (command.epilog or "").split("\n\n"):
        yield f".PP\n.nf\n{_roff(paragraph[2:])}\n.fi" if paragraph.startswith("\b") else f".PP\n{_roff(paragraph)}"


def _option(parameter: Any) -> Iterator[str]:
    if parameter.param_type_name != "option" or parameter.hidden:
        return
    names = [*parameter.opts, *parameter.secondary_opts]
    names.sort(key=lambda name: name.startswith("--"))
    value = "" if parameter.is_flag or parameter.count else f" \\fI{_roff(_metavar(parameter))}\\fR"
    yield f".TP\n\\fB{_roff(', '.join(names))}\\fR{value}\n{_roff(parameter.help or '')}"


def _metavar(parameter: Any) -> str:
    if parameter.metavar:
        return str(parameter.metavar)
    choices = getattr(parameter.type, "choices", None)
    return "|".join(str(getattr(c, "value", c)) for c in choices) if choices else parameter.type.name.upper()


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:].rstrip(".")


def _roff(text: str) -> str:
    """Text that roff shows as it is."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in text.strip("\n").split("\n"))


def completion(shell: str) -> str:
    """What makes a shell complete commands and options, as the program itself gives it."""
    environment = {**os.environ, "_HPAC_COMPLETE": f"source_{shell}"}
    command = [sys.executable, "-m", "hpac_cli"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip() + "\n"


def architecture() -> str:
    """docs/architecture.md, at its end every Python file and the first line of what it says of itself, room by room."""
    text = (ROOT / ARCHITECTURE).read_text(encoding="utf-8")
    sources = ROOT / "src" / "hpac_cli"
    rooms: dict[str, list[str]] = {}
    for path in sorted(sources.rglob("*.py")):
        module = path.relative_to(sources)
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        if path.stem not in ("__init__", "__main__"):
            says = docstring.splitlines()[0].rstrip(".")
            rooms.setdefault(str(module.parent), []).append(f"- `{path.stem}`: {says}")
    lists = [f"**{'base' if room == '.' else f'{room}/'}**\n\n" + "\n".join(rooms[room]) for room in sorted(rooms)]
    return text[: text.index(EVERY_FILE)] + "\n\n".join([EVERY_FILE.rstrip(), *lists]) + "\n"


def generated() -> dict[str, str]:
    """All files, by their paths in the checkout."""
    completions = {f"packaging/{name}": completion(shell) for shell, name in COMPLETIONS.items()}
    return {"packaging/hpac.1": manual(), **completions, ARCHITECTURE: architecture()}


if __name__ == "__main__":
    for name, text in generated().items():
        (ROOT / name).write_text(text, encoding="utf-8")
