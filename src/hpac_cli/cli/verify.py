"""hpac verify: .hpac files decoded and checked."""

from hpac_cli import api
from hpac_cli.batch import actions
from hpac_cli.batch.tasks import Task

from .app import app
from .inputs import gather, no_hpac
from .options import (
    Backend,
    Choice,
    FilesFrom,
    Inputs,
    Jobs,
    Json,
    KeepGoing,
    MaxMemory,
    MaxPixels,
    MaxSeconds,
    Null,
    Progress,
    Quiet,
    Recursive,
    Threads,
    Verbose,
    parse_limits,
)
from .progress import Mode
from .report import describe_exact, run


@app.command(epilog="Example: hpac verify *.hpac")
def verify(
    inputs: Inputs = None,
    recursive: Recursive = False,
    files_from: FilesFrom = None,
    null: Null = False,
    jobs: Jobs = 0,
    keep_going: KeepGoing = True,
    threads: Threads = 0,
    backend: Backend = "",
    max_pixels: MaxPixels = 0,
    max_memory: MaxMemory = 0,
    max_seconds: MaxSeconds = 0,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
    progress: Progress = Mode.AUTO,
) -> None:
    """Decode .hpac files and check every checksum, writing nothing."""
    options = api.Options(
        threads=threads, backend=backend, max_seconds=max_seconds, limits=parse_limits(max_pixels, max_memory)
    )
    choice = Choice(
        inputs,
        recursive,
        files_from,
        null,
        jobs=jobs,
        keep_going=keep_going,
        quiet=quiet,
        json=json,
        verbose=verbose,
        progress=progress,
    )
    tasks = [Task(source.name, None, None) for source in gather(choice, no_hpac)]
    run(tasks, actions.verify, options, choice, tell=describe_exact)
