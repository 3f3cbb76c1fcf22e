"""Names of outputs, which appear whole or not at all: a temporary file beside, then a rename."""

import contextlib
import errno
import os
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .errors import CHANGED, FileAccessError, OutputExistsError

STANDARD = "-"
"""Names standard input or output."""

_NAME_BYTES = 100
"""Of an output's name that its temporary file has."""
PARTIAL = ".partial"
"""How it ends."""
_HERE, _NO_REPLACE = -100, 1
"""AT_FDCWD and RENAME_NOREPLACE of Linux."""
_CANNOT = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM}
"""What a system says that does not know how to do something; anything else went wrong."""
_ASKING = threading.Lock()
"""Held while this process's umask is asked for."""
_SIGNATURE = b"\x89HPAC"


def is_url(name: str) -> bool:
    """Whether a name is a URL rather than a path."""
    return "://" in name


@contextlib.contextmanager
def open_input(path: str) -> Iterator[BinaryIO]:
    """Open an input, or standard input, for reading as a stream.

    Raises:
        FileAccessError: it does not exist, is no file, or cannot be read.
    """
    if path == STANDARD:
        yield sys.stdin.buffer
        return
    try:
        file = open(path, "rb")  # noqa: SIM115
    except FileNotFoundError as error:
        raise FileAccessError("no such file") from error
    except IsADirectoryError as error:
        if not os.access(path, os.R_OK | os.X_OK):
            raise FileAccessError("cannot read this folder: permission denied") from error
        raise FileAccessError("this is a folder, not a file; -r works on all that is in it") from error
    except OSError as error:
        raise FileAccessError(f"cannot read: {error.strerror or error}") from error
    with file:
        yield file


def check_output(path: Path | None, *, source: str, force: bool) -> None:
    """Refuse an output before any work is done for it.

    Args:
        path: None for standard output.

    Raises:
        OutputExistsError: it exists, or is a terminal, and force is not given; or it is the input itself.
        FileAccessError: its folder does not exist.
    """
    if path is None:
        if sys.stdout.isatty() and not force:
            raise OutputExistsError("standard output is a terminal; redirect it, or name a file with -o")
        return
    if path.exists():
        if source != STANDARD and os.path.exists(source) and os.path.samefile(path, source):
            raise OutputExistsError(f"output {path} is the input itself; name another with -o")
        if path.is_dir():
            raise OutputExistsError(f"output {path} is a folder; name a file with -o")
        if not force and not is_special(path):
            raise exists_already(path)
    if not path.parent.is_dir():
        raise FileAccessError(f"folder {path.parent} does not exist; make it first")


def is_special(path: Path) -> bool:
    """Whether the output is a pipe or a device, which is written to, not replaced."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def is_hpac(path: Path) -> bool:
    """Whether a file begins as .hpac files do, whatever follows."""
    try:
        with path.open("rb") as file:
            return file.read(len(_SIGNATURE)) == _SIGNATURE
    except OSError:
        return False


@contextlib.contextmanager
def writing(name: str) -> Iterator[None]:
    """Translate what the operating system says against writing.

    Raises:
        FileAccessError: it refused, or the disk is full.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise FileAccessError(f"cannot write {name}: {error.strerror or error}") from error


@contextlib.contextmanager
def open_special(path: Path) -> Iterator[BinaryIO]:
    """Open a pipe or device for writing.

    Raises:
        FileAccessError: the operating system refuses.
    """
    with writing(str(path)), path.open("wb") as stream:
        yield stream


def is_temporary(name: str) -> bool:
    """Whether a name is one that a file, or a folder, has while it is written."""
    return name.startswith(".") and name.endswith(PARTIAL)


Stamp = tuple[int, int, int]


def stamp(path: str) -> Stamp:
    """Tell a file from what it is after a change: time of its last change in ns, size, number.

    Raises:
        FileAccessError: it cannot be looked at.
    """
    try:
        facts = os.stat(path)
    except OSError as error:
        raise FileAccessError(f"cannot read: {error.strerror or error}") from error
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


@contextlib.contextmanager
def unchanging(stream: BinaryIO) -> Iterator[None]:
    """Make sure that a file that is read in the block stays as it is; what is no file on disk is not looked at.

    Raises:
        FileAccessError: it changed, so what was read may never have been there as a whole.
    """
    before = _state(stream)
    yield
    if _state(stream) != before:
        raise FileAccessError(CHANGED)


def _state(stream: BinaryIO) -> tuple[int, int] | None:
    try:
        facts = os.fstat(stream.fileno())
    except (OSError, AttributeError):  # in memory
        return None
    return (facts.st_mtime_ns, facts.st_size) if stat.S_ISREG(facts.st_mode) else None


@contextlib.contextmanager
def atomic_output(
    path: Path, *, force: bool, like: tuple[str, ...] = (), judged: Stamp | None = None
) -> Iterator[BinaryIO]:
    """Open a temporary file that gets its final name only if the block ends well.

    Args:
        judged: what the file that has the name was when it was judged that it may be replaced, if only that one may be.
        like: files whose permissions, time of last change and, for root, owner it gets; none for those of a new file.

    Raises:
        OutputExistsError: the name was taken meanwhile and force is not given.
        FileAccessError: the file system refuses, or is full.
    """
    temporary: Path | None = None
    try:
        with writing(str(path)):
            with tempfile.NamedTemporaryFile(
                "w+b", dir=path.parent, prefix=temporary_prefix(path.name), suffix=PARTIAL, delete=False
            ) as file:
                temporary = Path(file.name)
                yield file  # type: ignore[misc]
                file.flush()
                os.fsync(file.fileno())
            dress(temporary, like)
            if judged is not None and stamp(str(path)) != judged:
                raise OutputExistsError(f"output {path} became another file meanwhile, which is kept")
            publish(temporary, path, force=force)
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _beginning(name: str) -> str:
    """As much of a name as leaves room for more, in bytes of the file system."""
    return os.fsencode(name)[:_NAME_BYTES].decode(errors="ignore")


def temporary_prefix(name: str) -> str:
    """How the name of a temporary file or folder begins that is named after another."""
    return f".{_beginning(name)}."


def usual_mode(mode: int) -> int:
    """The permissions that a new file or folder gets here, of these."""
    with _ASKING:  # asking is setting: what other threads make meanwhile is their own alone
        mask = os.umask(0o077)
        os.umask(mask)
    return mode & ~mask


def dress(temporary: Path, like: tuple[str, ...]) -> None:
    """Give a file its owner, where this process may, its permissions and times.

    What is made of several files can be read by those alone who can read each, and is as old as the latest. Of files
    of several owners or groups, bits for groups and others do not speak of the same people: only the caller can read it.
    """
    if not like:
        temporary.chmod(usual_mode(0o666))
        return
    facts = [os.stat(path) for path in like]
    mode, owners = 0o777, {(each.st_uid, each.st_gid) for each in facts}
    for each in facts:
        mode &= each.st_mode
    if len(owners) > 1:
        mode &= 0o600
    elif hasattr(os, "geteuid") and os.geteuid() == 0:
        with contextlib.suppress(OSError):  # a file system without owners
            os.chown(temporary, *owners.pop())
    temporary.chmod(mode)
    latest = max(facts, key=lambda each: each.st_mtime_ns)
    os.utime(temporary, ns=(latest.st_atime_ns, latest.st_mtime_ns))


def _rename_to_new(temporary: Path, path: Path) -> None:
    """Rename a file to a name that is free, in one step (Windows; Linux, renameat2 with RENAME_NOREPLACE).

    Raises:
        FileExistsError: the name is taken.
        OSError: the file system, or the C library, cannot do this.
    """
    if os.name == "nt":
        temporary.rename(path)
        return
    import ctypes

    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError) as error:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from error
    if rename(_HERE, os.fsencode(temporary), _HERE, os.fsencode(path), _NO_REPLACE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(path))  # which makes FileExistsError of EEXIST


def exists_already(output: object) -> OutputExistsError:
    """What is said where an output may not be written, as there is a file of its name."""
    return OutputExistsError(f"output {output} exists; use --force to overwrite it")


def _claim(path: Path) -> None:
    """Take a name by an empty file, so that no other process gives it to a file of its own.

    Raises:
        OutputExistsError: it is taken.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError as error:
        raise exists_already(path) from error


def publish(temporary: Path, path: Path, *, force: bool) -> None:
    """Give a file its final name.

    Raises:
        OutputExistsError: it is taken, and force is not given.
    """
    if force:
        temporary.replace(path)
    else:
        try:
            os.link(temporary, path)  # unlike a rename, this fails if the name is taken
        except FileExistsError as error:
            raise exists_already(path) from error
        except OSError:  # a file system without links
            _publish_without_links(temporary, path)
    sync_folder(path.parent)


def _publish_without_links(temporary: Path, path: Path) -> None:
    try:
        _rename_to_new(temporary, path)
    except FileExistsError as error:
        raise exists_already(path) from error
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        _claim(path)  # a kill -9 before the next line leaves the name to an empty file
        try:
            temporary.replace(path)
        except OSError:
            path.unlink()
            raise


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing; their names are on disk at the end."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Put the names in a folder on disk, where the file system can do that."""
    with contextlib.suppress(OSError):
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
