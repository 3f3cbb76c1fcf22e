"""Defaults that the user set: a TOML file with a table for each command, and options as the help names them."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpac_cli.errors import FileAccessError, UsageError


def default_path() -> Path:
    """Where the file lies if nobody says otherwise (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "hpac" / "config.toml"


def read_defaults(path: Path | None, commands: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Read defaults by command and by parameter.

    Args:
        path: None for the default place, where the file may be missing.
        commands: click's, by name, whose options can be set.

    Raises:
        UsageError: the file is no TOML, or names a command or an option that there is not.
        FileAccessError: the file that was asked for cannot be read.
    """
    if path is None:
        try:
            if not default_path().is_file():
                return {}
        except PermissionError:  # of another user's home
            return {}
    path = path or default_path()
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileAccessError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise UsageError(f"{path} is no TOML file: {error}") from error
    return {name: _read_table(path, name, table, commands) for name, table in tables.items()}


def _read_table(path: Path, name: str, table: Any, commands: Mapping[str, Any]) -> dict[str, Any]:
    if name not in commands or not isinstance(table, dict):
        raise UsageError(f"{path}: [{name}] is no command; there are {', '.join(sorted(commands))}")
    options = {
        option.removeprefix("--"): parameter.name
        for parameter in commands[name].params
        if parameter.param_type_name == "option"
        for option in parameter.opts
        if option.startswith("--")
    }
    unknown = sorted(set(table) - set(options))
    if unknown:
        raise UsageError(f"{path}: [{name}] has no option {unknown[0]}; hpac {name} --help lists them")
    return {options[key]: value for key, value in table.items()}
