"""Files of named integer arrays (safetensors), and the folder where the shipped ones lie."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpac_cli.errors import ModelError

MAX_FILE_BYTES = 64 << 20
"""The largest network that a shape allows takes less."""
_KINDS = ("I8", "I32")
"""safetensors' names of the types of elements that any of our files has."""


def weights_folder() -> Path:
    """Find the shipped files: inside the installed package, else in the checkout."""
    installed = Path(__file__).parents[1] / "weights"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "weights"


def read_arrays(path: Path, form: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read a safetensors file's header and arrays.

    Args:
        form: what its header must say that it is.

    Raises:
        ModelError: missing, damaged, or of another form.
    """
    from safetensors import SafetensorError, safe_open

    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelError(f"{path}: larger than {MAX_FILE_BYTES} bytes, so not a file of {form}")
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get("hpac", "{}"))
            names = list(file.keys())
            if odd := [name for name in names if file.get_slice(name).get_dtype() not in _KINDS]:
                raise ModelError(f"{path}: {odd[0]} is not of {' or '.join(_KINDS)}")
            arrays = {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: cannot read it ({error})") from error
    if not isinstance(header, dict) or header.get("format") != form:
        raise ModelError(f"{path}: not a file of {form}")
    return header, arrays


def write_arrays(path: Path, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a safetensors file that read_arrays reads.

    Args:
        header: with its "format".
    """
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path, {"hpac": json.dumps(header)})
    path.chmod(0o644)  # weights are shared; the library makes them private
