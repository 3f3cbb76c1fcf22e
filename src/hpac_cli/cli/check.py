"""hpac check: pictures encoded and decoded in memory, and compared."""

from dataclasses import replace

from hpac_cli import api
from hpac_cli.batch import actions
from hpac_cli.batch.tasks import Task

from .app import app
from .efforts import EffortCommand
from .inputs import everything, gather, judge, make_series
from .options import (
    All,
    Backend,
    Choice,
    Effort,
    FilesFrom,
    Inputs,
    Jobs,
    Json,
    KeepGoing,
    Keyframe,
    MaxMemory,
    MaxPixels,
    MaxSeconds,
    Null,
    Progress,
    Quiet,
    Raw,
    Recursive,
    Scheduler,
    Series,
    Threads,
    Tile,
    Transcode,
    Verbose,
    parse_limits,
    parse_raw,
)
from .progress import Mode
from .report import describe_exact, run


@app.command(
    cls=EffortCommand,
    epilog="Example: hpac check -r photos/   ends with 0 only if every picture would come back exactly; made for CI.",
)
def check(
    inputs: Inputs = None,
    recursive: Recursive = False,
    all: All = False,
    series: Series = False,
    files_from: FilesFrom = None,
    null: Null = False,
    jobs: Jobs = 0,
    scheduler: Scheduler = None,
    keep_going: KeepGoing = True,
    transcode: Transcode = False,
    raw: Raw = None,
    effort: Effort = api.DEFAULT,
    tile_size: Tile = 0,
    keyframe: Keyframe = api.KEYFRAME,
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
    """Encode pictures in memory, decode that, and compare with the source; nothing is written."""
    options = api.Options(
        effort=effort,
        tile=tile_size,
        keyframe=keyframe,
        transcode=transcode,
        raw=parse_raw(raw, series=series),
        keep_all=all,
        threads=threads,
        backend=backend,
        max_seconds=max_seconds,
        limits=parse_limits(max_pixels, max_memory),
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
        scheduler=scheduler,
        verbose=verbose,
        progress=progress,
        series=series,
    )
    sources = gather(choice, everything if series else judge(all or raw is not None, ""))
    if series:
        tasks = [make_series(sources, replace(choice, output="none"))]
    else:
        tasks = [Task(source.name, None, None) for source in sources]
    run(tasks, actions.check, options, choice, tell=describe_exact)
