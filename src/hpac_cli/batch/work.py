"""The work on one file: every end, good or bad, becomes an outcome that can be told and counted."""

import os
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from hpac_cli import api, files
from hpac_cli.errors import FileAccessError, HpacError, RoundTripError, UsageError
from hpac_cli.files import is_url
from hpac_cli.limits import Limits

from . import urls
from .actions import Action, decode, encode, inner_name
from .tasks import Task

FAULT_CODE = RoundTripError.exit_code
OUT_OF_MEMORY_CODE = 5


@dataclass(frozen=True)
class Outcome:
    """One file's end; the fields are those of a line of --json."""

    file: str
    status: str
    """done, skipped or failed."""
    output: str = ""
    exit_code: int = 0
    error: str = ""
    input_bytes: int = 0
    output_bytes: int = 0
    samples: int = 0
    fidelity: str = ""
    seconds: float = 0.0
    note: str = ""
    """What the user should know of it, all the same."""
    kept: str = ""
    """Why samples stay in the file as they are."""
    source_sha256: str = ""
    """Of the file that is or was encoded, where it is known in full."""
    estimated_seconds: float | None = None
    """Of a dry run: about how long it would take."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        plain = asdict(self)
        for name in ("seconds", "estimated_seconds"):
            plain[name] = plain[name] and round(plain[name], 3)
        return plain


def attempt(task: Task, session: api.Session, action: Action) -> Outcome:
    """Do one task; never raises but for signals and a closed pipe."""
    try:
        sources = [member.name for member in task.members] or [task.source]
        stamps = [_stamp(source) for source in sources] if session.options.remove_source else None
        if urls.is_remote(task):
            result = urls.work_on_copy(task, session, action)
        else:
            _make_folder(task)
            result = action(task, session)
        if result.skipped:
            return Outcome(task.source, "skipped", result.output, source_sha256=result.source_sha256)
        if stamps is not None:
            encoded_sha256 = "" if task.members or action is not encode else result.source_sha256
            if not is_url(result.output) and not _holds(task, stamps, result, action, session.options.limits):
                raise FileAccessError(f"{result.output} is not as it was written, so the source is kept")
            _remove(sources, stamps, result, encoded_sha256)
    except BrokenPipeError:
        raise
    except HpacError as error:
        return _failed(task, str(error), error.exit_code)
    except OSError as error:  # as of a disk that fails while it is read
        return _failed(task, f"cannot read or write: {error.strerror or error}", FileAccessError.exit_code)
    except MemoryError:
        return _failed(task, "not enough memory", OUT_OF_MEMORY_CODE)
    except Exception as error:
        if os.environ.get("HPAC_TRACEBACK"):
            traceback.print_exc()
        kind = type(error).__name__
        message = f"a fault of hpac: {kind}: {error}; please report it (HPAC_TRACEBACK=1 shows where)"
        return _failed(task, message, FAULT_CODE)
    return Outcome(
        task.source,
        "done",
        result.output,
        input_bytes=result.input_bytes,
        output_bytes=result.output_bytes,
        samples=result.samples,
        fidelity=result.fidelity,
        seconds=result.seconds,
        note=result.note,
        kept=result.kept,
        source_sha256=result.source_sha256,
        estimated_seconds=result.estimated_seconds,
    )


def lost(task: Task) -> Outcome:
    """What came of a task whose worker was killed."""
    return _failed(task, "its worker process was killed; is there enough memory? Try -j 1", OUT_OF_MEMORY_CODE)


def _failed(task: Task, message: str, code: int) -> Outcome:
    return Outcome(task.source, "failed", exit_code=code, error=message)


def _make_folder(task: Task) -> None:
    if task.folder is not None:
        with files.writing(task.folder):
            files.make_folder(Path(task.folder))


class _Stamp(NamedTuple):
    """What a source was at some time."""

    facts: object
    digest: bytes = b""
    """SHA-256 of a file; a change need not show in times: of mapped memory, or by rsync -t."""


def _stamp(source: str) -> _Stamp:
    if is_url(source):
        return _Stamp(urls.stamp(source))
    if os.path.exists(source) and (not os.path.isfile(source) or _leads_to_a_device(source)):
        raise UsageError("only a file on disk can be removed")
    with files.open_input(source) as stream:
        facts, digest = files.stamp(source), api.hash_stream(stream)
    _check_unchanged(source, facts)
    return _Stamp(facts, digest)


def _leads_to_a_device(source: str) -> bool:
    """Whether a name is one of the system's, as /dev/stdin is, or a link to one, whatever lies behind."""
    names = [os.path.abspath(source)]
    if os.path.islink(source):
        names.append(os.path.abspath(os.path.join(os.path.dirname(source), os.readlink(source))))
    return any(name.startswith(("/dev/", "/proc/")) for name in names)


def _check_unchanged(source: str, facts: object) -> None:
    if (urls.stamp(source) if is_url(source) else files.stamp(source)) != facts:
        raise FileAccessError("it changed while it was read, and is kept")


def _holds(task: Task, stamps: list[_Stamp], result: api.Result, action: Action, limits: Limits) -> bool:
    """Whether what was written on this machine, read once more, is all there and is of what will be removed."""
    if os.path.isdir(result.output):
        return True  # its files were read back when they were put in it
    if not os.path.isfile(result.output) or os.path.getsize(result.output) != result.output_bytes:
        return False
    if action is encode:
        held = api.held_by(Path(result.output), limits)
        if not task.members:
            return held.is_of(bytes.fromhex(result.source_sha256))
        names = map(inner_name, task.members)
        return held.is_series_of({name: stamp.digest for name, stamp in zip(names, stamps, strict=True)})
    if action is decode and result.fidelity == "bytes" and result.source_sha256:
        with files.open_input(result.output) as stream:
            return api.hash_stream(stream).hex() == result.source_sha256
    return True


def _remove(sources: list[str], stamps: list[_Stamp], result: api.Result, encoded_sha256: str) -> None:
    """Remove sources whose round trip was verified, unless one changed meanwhile.

    Args:
        encoded_sha256: what was encoded of a single source, where that is known.
    """
    if result.fidelity == "samples":
        raise UsageError(f"{result.output} holds the samples alone, so the source is kept")
    if [_stamp(source) for source in sources] != stamps:
        raise FileAccessError(f"it changed while it was read; {result.output} holds what it was, and both are kept")
    if encoded_sha256 and stamps[0].digest and stamps[0].digest.hex() != encoded_sha256:
        raise FileAccessError(f"it changed and changed back; {result.output} holds something else, and both are kept")
    for source, stamp in zip(sources, stamps, strict=True):
        _check_unchanged(source, stamp.facts)  # while others were read
        if is_url(source):
            urls.remove(source)
            continue
        with files.writing(source):
            os.unlink(source)
