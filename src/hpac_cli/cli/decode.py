"""hpac decode: .hpac to the files that they came from, or to others."""

from typing import Annotated

import typer

from hpac_cli import api
from hpac_cli.batch import actions
from hpac_cli.batch.targets import plan_decoding
from hpac_cli.batch.tasks import Task
from hpac_cli.errors import UsageError

from .app import app
from .inputs import check_outputs, check_removal, gather, no_hpac
from .options import (
    Backend,
    Choice,
    FilesFrom,
    Force,
    Inputs,
    Jobs,
    Json,
    KeepGoing,
    MaxMemory,
    MaxPixels,
    MaxSeconds,
    Null,
    Output,
    OutputDir,
    Preserve,
    Progress,
    Quiet,
    Recursive,
    Remove,
    Scheduler,
    Skip,
    Stdout,
    Threads,
    Verbose,
    parse_limits,
    parse_output,
    parse_region,
)
from .progress import Mode
from .report import describe_exact, run
from .words import line


@app.command(
    epilog="Examples: hpac decode photo.png.hpac   writes photo.png beside it. "
    "hpac decode -r archive/ --output-dir photos/   gives a folder back. "
    "hpac decode scan.dcm.hpac --frame 3 --region 0,512,256,256 -o part.png   decodes only those tiles."
)
def decode(
    inputs: Inputs = None,
    output: Output = None,
    stdout: Stdout = False,
    output_dir: OutputDir = None,
    recursive: Recursive = False,
    files_from: FilesFrom = None,
    null: Null = False,
    jobs: Jobs = 0,
    scheduler: Scheduler = None,
    skip_existing: Skip = False,
    remove_source: Remove = False,
    keep_going: KeepGoing = True,
    force: Force = False,
    preserve: Preserve = True,
    frame: Annotated[int | None, typer.Option(metavar="N", help="Decode one frame, counted from 0; needs -o.")] = None,
    region: Annotated[
        str | None, typer.Option(metavar="X,Y,W,H", help="Decode only these pixels of a frame; needs -o.")
    ] = None,
    member: Annotated[
        str | None, typer.Option(metavar="NAME", help="Decode one file of a series, as info lists it.")
    ] = None,
    test: Annotated[
        bool, typer.Option("-t", "--test", help="Write nothing: decode and check every checksum, as hpac verify does.")
    ] = False,
    salvage: Annotated[
        bool, typer.Option("--salvage", help="Get what is undamaged of a damaged file; a report names the rest.")
    ] = False,
    fill: Annotated[int, typer.Option(metavar="VALUE", help="What --salvage puts where samples are lost.")] = 0,
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
    """Decode .hpac files to the kind of file that they came from; -o x.png, x.tif, x.npy convert samples."""
    limits = parse_limits(max_pixels, max_memory)
    options = api.Options(
        force=force,
        skip_existing=skip_existing,
        remove_source=remove_source,
        preserve=preserve,
        threads=threads,
        backend=backend,
        max_seconds=max_seconds,
        limits=limits,
    )
    box = parse_region(region)
    is_part = frame is not None or box is not None
    not_all = salvage or is_part or member is not None
    if salvage and (is_part or member is not None):
        raise typer.BadParameter("cannot be combined with --frame, --region or --member", param_hint="--salvage")
    if test and (not_all or remove_source or output is not None or output_dir is not None or stdout):
        raise typer.BadParameter("writes nothing, so it cannot be combined with what does", param_hint="--test")
    if skip_existing and not_all:
        raise typer.BadParameter("works only with whole files", param_hint="--skip-existing")
    if remove_source and not_all:
        raise typer.BadParameter("works only with whole files", param_hint="--remove-source")

    def work(task: Task, session: api.Session) -> api.Result:
        if salvage:
            return api.salvage(task.source, task.target, session, fill=fill)
        if is_part:
            return api.decompress_part(task.source, task.target or "", session, frame=frame, region=box, member=member)
        return api.decompress_member(task.source, member or "", task.target, session, folder=task.folder)

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
    )
    sources = gather(choice, no_hpac)
    if test:
        run([Task(each.name, None, None) for each in sources], actions.verify, options, choice, tell=describe_exact)
    check_removal(remove_source, sources, choice.output)
    check_outputs(choice, sources)
    try:
        tasks = plan_decoding(sources, output=choice.output, output_dir=output_dir)
    except UsageError as error:
        raise typer.BadParameter(line(str(error)), param_hint="IN") from error
    if scheduler is not None and not_all:
        raise typer.BadParameter("works only with whole files", param_hint="--scheduler")
    if member is not None and len(tasks) > 1:
        raise typer.BadParameter("is of one series; name one input", param_hint="--member")
    run(tasks, work if not_all else actions.decode, options, choice)
