"""Effort levels as the command line has them: the short options -1 to -9, and the table that help and docs show."""

import re
from collections.abc import Container
from typing import Any

from typer.core import TyperCommand

from hpac_cli import api

_SHORT = re.compile(r"-([A-Za-z]*)([1-9])([A-Za-z]*)")
"""A level, and short options that are joined to it, before and behind."""


class EffortCommand(TyperCommand):
    """A command that takes -1 to -9 for --effort 1 to 9."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Write short efforts out, up to an argument -- if there is one."""
        end = args.index("--") if "--" in args else len(args)
        flags = {
            name[1:]
            for option in self.params
            if getattr(option, "is_flag", False)
            for name in (*option.opts, *option.secondary_opts)
        }
        options = [part for arg in args[:end] for part in _write_out(arg, flags)]
        return super().parse_args(ctx, options + args[end:])


def _write_out(arg: str, flags: Container[str]) -> list[str]:
    """-9 as --effort=9, -9f as --effort=9 -f, -f9 as -f --effort=9; all else as it is, as -j9 where -j has a value."""
    found = _SHORT.fullmatch(arg)
    if not found or any(letter not in flags for letter in found[1]):
        return [arg]
    before, level, behind = found.groups()
    return [*([f"-{before}"] if before else []), f"--effort={level}", *([f"-{behind}"] if behind else [])]


def describe_efforts() -> list[str]:
    """The table of efforts, line by line: what each does, and what it costs."""
    head = f"{'effort':10}{'networks':10}{'tiles turned':14}{'adapted':10}{'encode':>9}{'decode':>9}  MP/s"
    return [head, *(_row(level, effort) for level, effort in enumerate(api.EFFORTS, 1))]


def _row(level: int, effort: api.Effort) -> str:
    name = f"{level}, usual" if level == api.DEFAULT else f"{level}"
    turned = f"by {effort.crops} crops" if effort.crops else "no"
    adapted = "no" if effort.adapt == "off" else effort.adapt
    speeds = f"{1 / effort.encode_cost:>9.2g}{1 / effort.decode_cost:>9.2g}"
    return f"{name:10}{effort.size:10}{turned:14}{adapted:10}{speeds}"


EFFORT_TABLE = (
    "\b\n"
    + "\n".join(describe_efforts())
    + """

Megapixels of RGB a second on one core with AVX-512 VNNI, of a picture of a megapixel."""
)
"""As the help of commands ends with it."""
