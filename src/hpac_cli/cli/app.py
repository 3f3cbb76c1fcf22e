"""The program itself: its name, what holds for all commands, and the exit codes."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hpac_cli import __version__
from hpac_cli.errors import HpacError

from .config import read_defaults
from .report import complain

EXIT_CODES = """\
Exit codes: 0 done; 1 some of several files failed; 2 wrong usage, or an optional package is
missing; 3 not supported, or a newer format; 4 damaged input; 5 over a limit; 6 output exists; 7
cannot read or write; 8 weights missing; 9 salvaged, but something is lost; 70 a fault of hpac itself, please report it; 130
interrupted.
"""

HABITS = {"-z": "encode", "-d": "decode", "-t": "verify", "-l": "list"}
"""Options of gzip, xz and zstd in the place of a command, and the command that each stands for."""


class Commands(TyperGroup):
    """The commands, in the order of the help."""

    ORDER = ("encode", "decode", "verify", "check", "list", "info", "compare", "bench", "train")

    def list_commands(self, ctx: Any) -> list[str]:
        """Name them."""
        return sorted(super().list_commands(ctx), key=self.ORDER.index)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Write a habit out: -d FILE as decode FILE, -dc FILE as decode -c FILE."""
        if args and args[0][:2] in HABITS and not args[0].startswith("--"):
            rest = [f"-{args[0][2:]}"] if args[0][2:] else []
            args = [HABITS[args[0][:2]], *rest, *args[1:]]
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="hpac",
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Lossless image compression: PNG, TIFF, DICOM, BMP, PNM and .npy to .hpac and back, exactly.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from hpac_cli.container.fields import VERSION_MAJOR, VERSION_MINOR

        typer.echo(f"hpac {__version__} (format {VERSION_MAJOR}.{VERSION_MINOR})")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="FILE", help="Defaults of options, in TOML. [default: hpac/config.toml where such lie]"
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("-V", "--version", callback=_show_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    context.auto_envvar_prefix = "HPAC"  # for options of commands; those of hpac itself have no variables
    try:
        context.default_map = read_defaults(config, context.command.commands)  # type: ignore[attr-defined]
    except HpacError as error:
        raise typer.Exit(complain("configuration", str(error), error.exit_code)) from error
