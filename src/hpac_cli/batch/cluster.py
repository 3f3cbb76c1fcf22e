"""Many machines: files are handed to a Dask cluster, and outcomes come back as they are done.

A worker that is lost in the middle costs time only: its files are given to others. Outputs appear whole
or not at all, so doing a file twice does no harm. What is needed on every worker: hpac of the same
version, and the files under the same names (a shared file system, or URLs).
"""

import functools
from collections.abc import Generator, Sequence
from dataclasses import replace

from hpac_cli import api
from hpac_cli.errors import FileAccessError, UsageError
from hpac_cli.files import exists_already

from .actions import Action, decode
from .targets import name_decoded
from .tasks import Task
from .urls import exists
from .work import Outcome, attempt, lost

_CONNECT_SECONDS = 10


def run(address: str, tasks: Sequence[Task], action: Action, options: api.Options) -> Generator[Outcome, None, None]:
    """Do every task on a cluster; yield outcomes as they come.

    Args:
        address: of the scheduler, as tcp://host:port.
        action: one of batch.actions.

    Raises:
        UsageError: distributed is not installed.
        FileAccessError: there is no scheduler at that address.
    """
    try:
        import distributed
    except ImportError as error:
        raise UsageError("--scheduler needs Dask: pip install 'hpac-cli[cluster]'") from error
    try:
        client = distributed.Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise FileAccessError(f"no Dask scheduler answers at {address}: {error}") from error
    with client:
        free: list[Task] = []
        for task in tasks:
            outcome = _find_existing(task, action, options)
            if outcome is None:
                free.append(task)
            else:
                yield outcome
        # a worker may be lost after it wrote and before it told; what was free at the start is then overwritten, or,
        # if outputs are to be left out, seen to be of this very source
        forced = replace(options, force=options.force or not options.skip_existing, threads=1)
        futures = {client.submit(_do, task, action, forced, pure=False): task for task in free}
        try:
            for future in distributed.as_completed(futures, loop=client.loop):
                failure = future.exception()
                yield future.result() if failure is None else _say_lost(futures[future], failure)
        finally:
            client.cancel(list(futures), force=True)


def _find_existing(task: Task, action: Action, options: api.Options) -> Outcome | None:
    """What comes of a task whose output is there already; None if it is not, may be overwritten, or must be judged."""
    if options.force or options.skip_existing:
        return None

    def look(task: Task, _session: api.Session) -> api.Result:
        target = name_decoded(task) if action is decode else task.target
        if target is not None and exists(target):
            raise exists_already(target)
        return api.NOTHING

    outcome = attempt(replace(task, folder=None), api.Session(replace(options, remove_source=False)), look)
    return None if outcome.status == "done" else outcome


def _do(task: Task, action: Action, options: api.Options) -> Outcome:
    return attempt(task, _session(options), action)


@functools.lru_cache(maxsize=4)
def _session(options: api.Options) -> api.Session:
    """Networks are loaded once in every worker process."""
    return api.Session(options)


def _say_lost(task: Task, failure: BaseException) -> Outcome:
    """What came of a task that several workers were lost over."""
    return replace(lost(task), error=f"lost on the cluster: {type(failure).__name__}: {failure}")
