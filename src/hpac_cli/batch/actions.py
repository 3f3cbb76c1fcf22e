"""What is done to a file, by name, so that it can be asked for on another machine."""

import os
from collections.abc import Callable

from hpac_cli import api

from .tasks import Source, Task

Action = Callable[[Task, api.Session], api.Result]


def encode(task: Task, session: api.Session) -> api.Result:
    """Make an .hpac file."""
    if task.members:
        return api.compress_series(_inputs(task), str(task.target), session)
    return api.compress(task.source, task.target, session)


def decode(task: Task, session: api.Session) -> api.Result:
    """Make the file that an .hpac file came from."""
    return api.decompress(task.source, task.target, session, folder=task.folder)


def check(task: Task, session: api.Session) -> api.Result:
    """Encode and decode in memory, and compare."""
    return api.check_series(_inputs(task), session) if task.members else api.check(task.source, session)


def verify(task: Task, session: api.Session) -> api.Result:
    """Decode an .hpac file and check every checksum."""
    return api.verify(task.source, session)


def estimate(task: Task, session: api.Session) -> api.Result:
    """Say about how large an .hpac file would be."""
    return api.estimate_series(_inputs(task), session) if task.members else api.estimate(task.source, session)


ENCODING = (encode, check, estimate)
"""Those whose output, were it written or not, is an .hpac file."""


def _inputs(task: Task) -> list[api.Input]:
    return [api.Input(member.name, inner_name(member)) for member in task.members]


def inner_name(member: Source) -> str:
    """What a file of a series is called in it."""
    return member.within.replace(os.sep, "/")
