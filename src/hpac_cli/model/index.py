"""The shipped networks: which there are, how one is found and loaded, and how one is added.

`index.json` says of every network which file it lies in, so that one is found without reading the others:

    {"rgb-large": {"file": "rgb-large.safetensors", "digest": "0123456789abcdef", "planes": 3, "role": "rgb", "size": "large"}, ...}

Files name their networks by digest, so a network that was released stays for ever. A better one of the same role and size comes after it,
under the next name ("rgb-large-2"), and encoders take the last one. To add a network, train and export it (`hpac train`), then, in a
checkout:

    python -c "from pathlib import Path; from hpac_cli.model.index import add_weights; \\
        add_weights(Path('run/rgb-large.safetensors'), role='rgb', size='large')"
"""

import json
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path

from hpac_cli.errors import ModelError

from .files import weights_folder
from .weights import Weights, read_weights, write_weights

INDEX = "index.json"
ROLES = {"rgb": 3, "ycc": 3, "grey": 1}
"""What networks are for, and how many planes those code: R, G, B; luma and chroma; single channels."""
SIZES = ("small", "medium", "large")
"""How much they compute for each pixel, from the least to the most; there is at least one of each for every role."""


@dataclass(frozen=True)
class Entry:
    """What the index says of one network."""

    file: str
    """In the same folder."""
    digest: str
    """In hexadecimal."""
    planes: int
    role: str
    """One of ROLES."""
    size: str
    """One of SIZES."""


def network_name(role: str, size: str, number: int = 1) -> str:
    """What the first network of a role and size, or a later one, is called."""
    return f"{role}-{size}" if number == 1 else f"{role}-{size}-{number}"


@lru_cache(maxsize=1)
def shipped_index() -> dict[str, Entry]:
    """Read the index of the shipped networks, by name.

    Raises:
        ModelError: it is missing or damaged.
    """
    return read_index(weights_folder())


def read_index(folder: Path) -> dict[str, Entry]:
    """Read the index of a folder, by name.

    Raises:
        ModelError: it is missing or damaged.
    """
    path = folder / INDEX
    try:
        entries = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: cannot read the list of networks ({error}); install hpac again") from error
    names = {field.name for field in fields(Entry)}
    if not isinstance(entries, dict) or any(not isinstance(e, dict) or set(e) != names for e in entries.values()):
        raise ModelError(f"{path}: the list of networks is damaged; install hpac again")
    return {name: Entry(**entry) for name, entry in entries.items()}


def add_weights(path: Path, *, role: str, size: str, folder: Path | None = None) -> Entry:
    """Put a network into a folder, beside those of its role and size, and list it as the one that encoders take.

    Args:
        path: of its weights file.
        role: one of ROLES.
        size: one of SIZES.
        folder: the shipped weights if not given.

    Raises:
        ModelError: the file is damaged or listed already, not of as many planes as the role has, or there is no such size.
    """
    weights, folder = read_weights(path), folder or weights_folder()
    if ROLES.get(role) != weights.shape.planes:
        raise ModelError(f"{path}: a network of {weights.shape.planes} planes cannot have the role {role!r}")
    if size not in SIZES:
        raise ModelError(f"{path}: there is no size {size!r}; there are {', '.join(SIZES)}")
    index = read_index(folder) if (folder / INDEX).exists() else {}
    name = network_name(role, size, 1 + sum((entry.role, entry.size) == (role, size) for entry in index.values()))
    entry = Entry(f"{name}.safetensors", weights.digest().hex(), weights.shape.planes, role, size)
    if any(known.digest == entry.digest for known in index.values()):
        raise ModelError(f"{path}: this network is listed already")
    index[name] = entry
    write_weights(replace(weights, name=name), folder / entry.file)
    text = json.dumps({name: asdict(entry) for name, entry in index.items()}, indent=2)
    (folder / INDEX).write_text(text + "\n", "utf-8")
    shipped_index.cache_clear()
    return entry


def latest_entry(role: str, size: str) -> Entry:
    """Look up the network of a role and size that encoders take: the last one in the index.

    Raises:
        ModelError: there is none.
    """
    found = [entry for entry in shipped_index().values() if (entry.role, entry.size) == (role, size)]
    if not found:
        raise ModelError(f"there is no network for {role!r} of size {size!r}")
    return found[-1]


def find_entry(name: str) -> Entry:
    """Look up what the index says of a network ("rgb-large", "grey-small", ...).

    Raises:
        ModelError: there is none of that name.
    """
    entry = shipped_index().get(name)
    if entry is None:
        raise ModelError(f"there is no network {name!r}; there are {', '.join(shipped_index())}")
    return entry


def load_by_name(name: str) -> Weights:
    """Load the shipped weights of a name.

    Raises:
        ModelError: there are none of that name, or they are damaged.
    """
    return _load(find_entry(name))


def load_by_digest(digest: bytes) -> Weights:
    """Load the shipped weights that a file names.

    Raises:
        ModelError: no shipped weights have this digest, or they are damaged.
    """
    for entry in shipped_index().values():
        if entry.digest == digest.hex():
            return _load(entry)
    raise ModelError(
        f"the file needs weights {digest.hex()}, which this installation lacks; install the hpac version that wrote it"
    )


def _load(entry: Entry) -> Weights:
    weights = read_weights(weights_folder() / entry.file)
    if weights.digest().hex() != entry.digest:
        raise ModelError(f"weights {entry.file} are not those that {INDEX} names; install hpac again")
    return weights
