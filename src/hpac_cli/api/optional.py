"""Packages that are not always installed, and which extra brings them."""

import importlib
from typing import Any

from hpac_cli.errors import MissingPackageError


def require(package: str, extra: str, purpose: str) -> Any:
    """Import a package.

    Raises:
        MissingPackageError: it is not installed; says how to.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        name = package.partition(".")[0]
        raise MissingPackageError(f"{purpose} needs {name}: pip install 'hpac-cli[{extra}]'") from error
