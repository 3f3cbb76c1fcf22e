"""hpac encode: image files to .hpac."""

from typing import Annotated

import typer

from hpac_cli import api
from hpac_cli.batch import actions
from hpac_cli.batch.targets import plan_encoding
from hpac_cli.batch.tasks import Task
from hpac_cli.errors import UsageError

from .app import app
from .efforts import EFFORT_TABLE, EffortCommand
from .inputs import check_outputs, check_removal, everything, gather, judge, make_series
from .options import (
    Adapt,
    All,
    Backend,
    Choice,
    Effort,
    FilesFrom,
    Force,
    Inputs,
    Jobs,
    Json,
    KeepGoing,
    Keyframe,
    MaxMemory,
    MaxPixels,
    MaxSeconds,
    NoVerify,
    Null,
    Output,
    OutputDir,
    Preserve,
    Progress,
    Quiet,
    Raw,
    Recursive,
    Remove,
    Scheduler,
    Series,
    Skip,
    Stdout,
    Threads,
    Tile,
    TimeBudget,
    Transcode,
    Verbose,
    parse_limits,
    parse_output,
    parse_raw,
)
from .progress import Mode
from .report import describe_estimate, run
from .words import line


@app.command(
    cls=EffortCommand,
    epilog="Examples: hpac encode photo.png   writes photo.png.hpac beside it. "
    "hpac encode -r photos/ --output-dir archive/ --skip-existing   mirrors a folder, and can be run again. "
    "hpac encode -r photos/ --dry-run   says about what that would save. "
    "hpac encode --series CT/   makes one file, CT.hpac, of all slices in a folder. "
    "hpac encode -9 photo.png   takes minutes, for what is stored for long.\n\n" + EFFORT_TABLE,
)
def encode(
    inputs: Inputs = None,
    output: Output = None,
    stdout: Stdout = False,
    output_dir: OutputDir = None,
    recursive: Recursive = False,
    all: All = False,
    series: Series = False,
    files_from: FilesFrom = None,
    null: Null = False,
    jobs: Jobs = 0,
    scheduler: Scheduler = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; estimate sizes and times from a sample of each image.")
    ] = False,
    skip_existing: Skip = False,
    remove_source: Remove = False,
    keep_going: KeepGoing = True,
    force: Force = False,
    preserve: Preserve = True,
    no_verify: NoVerify = False,
    transcode: Transcode = False,
    raw: Raw = None,
    effort: Effort = api.DEFAULT,
    adapt: Adapt = None,
    time_budget: TimeBudget = 0,
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
    """Encode PNG, TIFF, DICOM, BMP, PNM and .npy files to .hpac; each output is decoded and compared before it gets its name."""
    if remove_source and no_verify:
        raise typer.BadParameter("cannot be combined with --no-verify", param_hint="--remove-source")
    options = api.Options(
        tile=tile_size,
        keyframe=keyframe,
        verify=not no_verify,
        force=force,
        skip_existing=skip_existing,
        remove_source=remove_source,
        preserve=preserve,
        transcode=transcode,
        raw=parse_raw(raw, series=series),
        effort=effort,
        keep_all=all,
        adapt=adapt.value if adapt else "",
        time_budget=time_budget,
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
        parse_output(output, stdout),
        output_dir,
        jobs,
        keep_going,
        quiet,
        json,
        scheduler,
        verbose,
        progress,
        series,
    )
    sources = gather(choice, everything if series else judge(all or raw is not None, output_dir))
    check_removal(remove_source, sources, choice.output)
    if series:
        task = make_series(sources, choice)
        if dry_run:
            run([task], actions.estimate, options, choice, tell=describe_estimate, aloud=True)
        run([task], actions.encode, options, choice)
    if dry_run:
        estimates = [Task(source.name, None, None) for source in sources]
        run(estimates, actions.estimate, options, choice, tell=describe_estimate, aloud=True)
    check_outputs(choice, sources)
    try:
        tasks = plan_encoding(sources, output=choice.output, output_dir=output_dir)
    except UsageError as error:
        raise typer.BadParameter(line(str(error)), param_hint="IN") from error
    run(tasks, actions.encode, options, choice)
