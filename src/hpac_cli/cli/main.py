"""The commands: what a user types, and the exit code that comes back."""

import contextlib
import os
import shlex
import signal
import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from hpac_cli import __version__, api
from hpac_cli.batch import actions
from hpac_cli.batch.sources import Judge
from hpac_cli.batch.targets import SUFFIX, plan_decoding, plan_encoding, plan_series
from hpac_cli.batch.tasks import Source, Task
from hpac_cli.batch.work import Outcome, attempt
from hpac_cli.errors import HpacError, RoundTripError, UsageError
from hpac_cli.files import is_special

from .config import read_defaults
from .efforts import EffortCommand, describe_efforts
from .options import (
    Adapt,
    Adapting,
    All,
    Backend,
    Choice,
    Device,
    Effort,
    FilesFrom,
    Force,
    Inputs,
    Jobs,
    Json,
    KeepGoing,
    MaxMemory,
    MaxPixels,
    MaxSeconds,
    NoVerify,
    Null,
    Output,
    OutputDir,
    Preserve,
    Quiet,
    Recursive,
    Remove,
    Scheduler,
    Series,
    Skip,
    Threads,
    Tile,
    TimeBudget,
    Transcode,
    Verbose,
    count_processors,
    parse_efforts,
    parse_limits,
    parse_region,
)
from .report import INTERRUPTED, complain, describe_sizes, ending_quietly, gather, run
from .words import line, printable

EXIT_CODES = """\
Exit codes: 0 done; 1 some of several files failed; 2 wrong usage, or an optional package is
missing; 3 not supported, or a newer format; 4 damaged input; 5 over a limit; 6 output exists; 7
cannot read or write; 8 weights missing; 9 salvaged, but something is lost; 70 a fault of hpac itself, please report it; 130
interrupted.
"""

EFFORT_TABLE = (
    "\b\n"
    + "\n".join(describe_efforts())
    + """

Megapixels of RGB a second on one core with AVX-512 VNNI, of a picture of a megapixel."""
)

app = typer.Typer(
    name="hpac",
    help="Lossless image compression: PNG, TIFF and DICOM to .hpac and back, exactly.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _no_picture(head: bytes, name: str) -> str:
    from hpac_cli.images import is_picture

    return "" if is_picture(head, name) else "no PNG, TIFF or DICOM"


def _no_hpac(_head: bytes, name: str) -> str:
    return "" if name.endswith(SUFFIX) else f"not named {SUFFIX}"


def _hpac_beside(_head: bytes, name: str) -> str:
    """Of a folder that is kept with all that is in it, outputs beside their sources."""
    return f"named {SUFFIX}, as outputs beside it are" if name.endswith(SUFFIX) else ""


def _judge(keep_all: bool, output_dir: str | None) -> Judge:
    if not keep_all:
        return _no_picture
    return _hpac_beside if output_dir is None else _everything


def _everything(_head: bytes, _name: str) -> str:
    return ""


def _plan_series(sources: list[Source], choice: Choice) -> Task:
    if choice.scheduler is not None:
        raise typer.BadParameter("works only with files, not with a series", param_hint="--scheduler")
    try:
        return plan_series(sources, choice.names or [], output=choice.output, output_dir=choice.output_dir)
    except UsageError as error:
        raise typer.BadParameter(line(str(error)), param_hint="--series") from error


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
    output_dir: OutputDir = None,
    recursive: Recursive = False,
    all: All = False,
    series: Series = False,
    files_from: FilesFrom = None,
    null: Null = False,
    jobs: Jobs = 0,
    scheduler: Scheduler = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; estimate sizes from a sample of each image.")
    ] = False,
    skip_existing: Skip = False,
    remove_source: Remove = False,
    keep_going: KeepGoing = True,
    force: Force = False,
    preserve: Preserve = True,
    no_verify: NoVerify = False,
    transcode: Transcode = False,
    effort: Effort = api.DEFAULT,
    adapt: Adapt = None,
    time_budget: TimeBudget = 0,
    tile_size: Tile = 0,
    threads: Threads = 0,
    backend: Backend = "",
    max_pixels: MaxPixels = 0,
    max_memory: MaxMemory = 0,
    max_seconds: MaxSeconds = 0,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Encode PNG, TIFF and DICOM files to .hpac, exactly; each output is decoded and compared before it gets its name."""
    if remove_source and no_verify:
        raise typer.BadParameter("cannot be combined with --no-verify", param_hint="--remove-source")
    options = api.Options(
        tile=tile_size,
        verify=not no_verify,
        force=force,
        skip_existing=skip_existing,
        remove_source=remove_source,
        preserve=preserve,
        transcode=transcode,
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
        output,
        output_dir,
        jobs,
        keep_going,
        quiet,
        json,
        scheduler,
        verbose,
        series,
    )
    sources = gather(choice, _everything if series else _judge(all, output_dir))
    _check_removal(remove_source, [source.name for source in sources], output)
    if series:
        task = _plan_series(sources, choice)
        run([task], *((actions.estimate, options, choice, _about) if dry_run else (actions.encode, options, choice)))
    if dry_run:
        estimates = [Task(source.name, None, None) for source in sources]
        run(estimates, actions.estimate, options, choice, tell=_about)
    try:
        tasks = plan_encoding(sources, output=output, output_dir=output_dir)
    except UsageError as error:
        raise typer.BadParameter(line(str(error)), param_hint="IN") from error
    run(tasks, actions.encode, options, choice)


@app.command(
    epilog="Examples: hpac decode photo.png.hpac   writes photo.png beside it. "
    "hpac decode -r archive/ --output-dir photos/   gives a folder back. "
    "hpac decode CT.hpac --member 017.dcm   takes one file out of a series. "
    "hpac decode scan.dcm.hpac --frame 3 --region 0,512,256,256 -o part.png   decodes only those tiles."
)
def decode(
    inputs: Inputs = None,
    output: Output = None,
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
        inputs, recursive, files_from, null, output, output_dir, jobs, keep_going, quiet, json, scheduler, verbose
    )
    sources = gather(choice, _no_hpac)
    _check_removal(remove_source, [source.name for source in sources], output)
    try:
        tasks = plan_decoding(sources, output=output, output_dir=output_dir)
    except UsageError as error:
        raise typer.BadParameter(line(str(error)), param_hint="IN") from error
    if scheduler is not None and not_all:
        raise typer.BadParameter("works only with whole files", param_hint="--scheduler")
    if member is not None and len(tasks) > 1:
        raise typer.BadParameter("is of one series; name one input", param_hint="--member")
    run(tasks, work if not_all else actions.decode, options, choice)


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
) -> None:
    """Decode .hpac files and check every checksum, writing nothing."""
    options = api.Options(
        threads=threads, backend=backend, max_seconds=max_seconds, limits=parse_limits(max_pixels, max_memory)
    )
    choice = Choice(
        inputs, recursive, files_from, null, jobs=jobs, keep_going=keep_going, quiet=quiet, json=json, verbose=verbose
    )
    tasks = [Task(source.name, None, None) for source in gather(choice, _no_hpac)]
    run(tasks, actions.verify, options, choice, tell=_exact)


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
    effort: Effort = api.DEFAULT,
    tile_size: Tile = 0,
    threads: Threads = 0,
    backend: Backend = "",
    max_pixels: MaxPixels = 0,
    max_memory: MaxMemory = 0,
    max_seconds: MaxSeconds = 0,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Encode pictures in memory, decode that, and compare with the source; nothing is written."""
    options = api.Options(
        effort=effort,
        tile=tile_size,
        transcode=transcode,
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
        series=series,
    )
    sources = gather(choice, _everything if series else _judge(all, ""))
    if series:
        tasks = [_plan_series(sources, replace(choice, output="none"))]
    else:
        tasks = [Task(source.name, None, None) for source in sources]
    run(tasks, actions.check, options, choice, tell=_exact)


@app.command(epilog="Example: hpac info --json photo.png.hpac")
def info(
    inputs: Inputs = None,
    recursive: Recursive = False,
    files_from: FilesFrom = None,
    null: Null = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Say what .hpac files hold, without decoding them."""
    from .describe import describe

    codes = []
    sources = gather(Choice(inputs, recursive, files_from, null, verbose=verbose, json=json), _no_hpac)
    for source in sources:
        try:
            with ending_quietly():
                print(printable(describe(api.inspect(source.name), as_json=json)), flush=True)
        except HpacError as error:
            codes.append(complain(source.name, str(error), error.exit_code))
    raise typer.Exit(0 if not codes else codes[0] if len(sources) == 1 else 1)


class Likeness(StrEnum):
    """How alike files must be."""

    SAMPLES = "samples"
    METADATA = "samples+metadata"
    BYTES = "bytes"


@app.command(epilog="Example: hpac compare scan.dcm scan.dcm.hpac --require bytes")
def compare(
    one: Annotated[str, typer.Argument(metavar="A", help="A picture, or an .hpac file.")],
    other: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    require: Annotated[Likeness, typer.Option(help="How alike they must be for exit code 0.")] = Likeness.SAMPLES,
    quiet: Quiet = False,
    max_pixels: MaxPixels = 0,
    max_memory: MaxMemory = 0,
    max_seconds: MaxSeconds = 0,
) -> None:
    """Say whether two files are the same bytes, equal samples and metadata, equal samples, or different."""
    options = api.Options(
        threads=count_processors(0), max_seconds=max_seconds, limits=parse_limits(max_pixels, max_memory)
    )
    found: list[str] = []

    def work(_task: Task, session: api.Session) -> api.Result:
        found.append(api.compare(one, other, session))
        return api.NOTHING

    outcome = attempt(Task(one, None, None), api.Session(options), work)
    if outcome.exit_code:
        raise typer.Exit(complain(f"{one}, {other}", outcome.error, outcome.exit_code))
    if not quiet:
        with ending_quietly():
            print(found[0], flush=True)
    raise typer.Exit(api.LIKENESSES.index(found[0]) < api.LIKENESSES.index(require.value))


@app.command(epilog="Example: hpac bench photos/ --html report.html")
def bench(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Image files or folders of them.")],
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write every figure to this file.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Also write a line for each codec on each image.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write a page with charts and maps of bits.")
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="An earlier --json; fail if hpac's bytes grew beyond --max-growth."),
    ] = None,
    max_growth: Annotated[float, typer.Option(help="Growth over --baseline that is let pass, in percent.")] = 0.5,
    threads: Threads = 0,
    backend: Backend = "",
    jxl_effort: Annotated[
        list[int] | None,
        typer.Option(min=1, max=10, help="JPEG XL efforts to compare with; may be repeated. [default: 7, 9]"),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="CODEC", help="Measure only this beside hpac; may be repeated.")
    ] = None,
    effort: Annotated[
        str, typer.Option(metavar="N,...", help="Efforts to measure hpac with; peers are compared with the first.")
    ] = str(api.DEFAULT),
    adapt: Annotated[
        list[Adapting] | None,
        typer.Option(help="Measure hpac with weights adapted so too; may be repeated."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Also draw size against speed, as SVG.")
    ] = None,
    tile_size: Tile = 0,
) -> None:
    """Round-trip images and compare sizes and speed with PNG, WebP and, with imagecodecs, JPEG XL, JPEG-LS, JPEG 2000, AVIF."""
    from hpac_cli.bench import Growth, Reports
    from hpac_cli.bench import run as measure

    options = api.Options(tile=tile_size, threads=count_processors(threads), backend=backend)
    levels = parse_efforts(effort)
    growth = None if baseline is None else Growth(baseline, max_growth / 100)

    def work(_task: Task, _session: api.Session) -> api.Result:
        ways = [replace(options, effort=level) for level in levels]
        ways += [replace(options, effort=levels[0], adapt=way.value) for way in adapt or ()]
        reports = Reports(json, csv, html, plot)
        command = shlex.join(["hpac", *sys.argv[1:]])
        if not measure(paths, ways, jxl_effort or (7, 9), reports, growth, only or (), command):
            raise RoundTripError("not every image came back exactly")
        return api.NOTHING

    _once("bench", work, options)


@app.command(epilog="Example: hpac train rgb-small --data packs/ --out run/ --minutes 60")
def train(
    config: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG",
            help="rgb, ycc or grey, and small, medium or large, as in rgb-small; or a TOML file (docs/model.md).",
        ),
    ],
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder with the zip packs or image folders that the config names.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="Where checkpoint, log and weights go; training continues from a checkpoint there."
        ),
    ],
    start: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Begin with the weights of this checkpoint, not with random ones."),
    ] = None,
    minutes: Annotated[float, typer.Option(help="Stop after so long.")] = 60,
    updates: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="How many, not as the config says; 0 for as many as --minutes allow. The learning rate falls to the last.",
        ),
    ] = None,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.CPU,
    threads: Threads = 0,
) -> None:
    """Train a network and export its integers."""
    from hpac_cli.training.run import run as train_network

    def work(_task: Task, _session: api.Session) -> api.Result:
        train_network(
            config,
            data=data,
            out=out,
            start=start,
            minutes=minutes,
            updates=updates,
            device=device.value,
            threads=count_processors(threads),
            report=lambda line: typer.echo(line, err=True),
        )
        return api.NOTHING

    _once("train", work, api.Options())


def _once(name: str, work: Any, options: api.Options) -> NoReturn:
    """Do something that is not about one file, with the same care for errors."""
    outcome = attempt(Task(name, None, None), api.Session(options), work)
    raise typer.Exit(complain(name, outcome.error, outcome.exit_code) if outcome.exit_code else 0)


def _check_removal(wanted: bool, names: list[str], output: str | None) -> None:
    """Refuse to remove sources that are no files, or whose outputs would be none."""
    if wanted and "-" in names:
        raise typer.BadParameter("cannot remove standard input", param_hint="--remove-source")
    if wanted and output is not None and (output == "-" or is_special(Path(output))):
        raise typer.BadParameter(
            f"needs an output that is a file on disk, not {line(output)}", param_hint="--remove-source"
        )


def _exact(outcome: Outcome) -> str:
    return f"{outcome.file}: exact ({outcome.samples:,} samples)"


def _about(outcome: Outcome) -> str:
    return describe_sizes(outcome).replace(f"{outcome.file} -> : ", f"{outcome.file}: about ")


def _show_version(wanted: bool) -> None:
    if wanted:
        from hpac_cli.container.fields import VERSION_MAJOR, VERSION_MINOR

        typer.echo(f"hpac {__version__} (format {VERSION_MAJOR}.{VERSION_MINOR})")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="FILE", help="Defaults of options, in TOML. [default: hpac/config.toml where such lie]"
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("-V", "--version", callback=_show_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    context.auto_envvar_prefix = "HPAC"  # for options of commands; those of hpac itself have no variables
    try:
        context.default_map = read_defaults(config, context.command.commands)  # type: ignore[attr-defined]
    except HpacError as error:
        raise typer.Exit(complain("configuration", str(error), error.exit_code)) from error


def _stop(number: int, _frame: Any) -> NoReturn:
    sys.exit(128 + number)


def main() -> NoReturn:
    """Run the command line; temporary files are gone however it ends, but for a kill -9."""
    signal.signal(signal.SIGTERM, _stop)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, _stop)
    try:
        app()
        code: Any = 0
    except SystemExit as stop:
        code = stop.code or 0
    except KeyboardInterrupt:
        code = INTERRUPTED
    if "torch" in sys.modules and isinstance(code, int):
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)  # all files are closed by now, and unloading torch takes 0.4 s
    sys.exit(code)
