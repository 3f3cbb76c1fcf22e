"""The commands: what a user types, and the exit code that comes back."""

import contextlib
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from hpac_cli import __version__, api
from hpac_cli.errors import HpacError, RoundTripError, UsageError
from hpac_cli.limits import Limits

from .progress import show_progress

EXIT_CODES = """\
Exit codes: 0 done; 1 some of several files failed; 2 wrong usage; 3 not supported, or a newer
format; 4 damaged input; 5 over a limit; 6 output exists; 7 cannot read or write; 8 weights
missing; 9 salvaged, but something is lost; 70 a fault of hpac itself, please report it; 130
interrupted.
"""

app = typer.Typer(
    name="hpac",
    help="Lossless image compression: PNG, TIFF and DICOM to .hpac and back, exactly.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Inputs = Annotated[list[str], typer.Argument(metavar="IN...", help="Files, or - for standard input.")]
Output = Annotated[
    str | None,
    typer.Option("-o", "--output", metavar="OUT", help="Output file, or - for standard output; for one input only."),
]
Force = Annotated[bool, typer.Option("-f", "--force", help="Overwrite outputs that exist.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing but errors.")]
Threads = Annotated[int, typer.Option(min=0, help="Processors to use; 0: all. Never changes the result.")]
Backend = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Arithmetic: int8, float32 or reference. Never changes the result. [default: the fastest that is exact here]",
    ),
]
Tile = Annotated[
    int,
    typer.Option(min=8, max=1024, help="Tile side in pixels, even. Larger: a little smaller files, slower decoding."),
]
Identical = Annotated[
    bool, typer.Option("--require-identical", help="Fail where the same bytes of the file could not come back.")
]
NoVerify = Annotated[bool, typer.Option("--no-verify", help="Do not decode and compare before the file gets its name.")]
MaxPixels = Annotated[
    int, typer.Option(min=0, metavar="N", help="Refuse files of more pixels, all frames together; 0: 268 million.")
]
MaxMemory = Annotated[
    int,
    typer.Option(min=0, metavar="MB", help="Refuse files that could need more memory than this; 0: 2 GB of samples."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per file.")]


@app.command(epilog="Example: hpac encode photo.png   writes photo.hpac beside it.")
def encode(
    inputs: Inputs,
    output: Output = None,
    force: Force = False,
    no_verify: NoVerify = False,
    require_identical: Identical = False,
    tile_size: Tile = 128,
    threads: Threads = 0,
    backend: Backend = "",
    max_pixels: MaxPixels = 0,
    max_memory: MaxMemory = 0,
    quiet: Quiet = False,
) -> None:
    """Encode PNG, TIFF and DICOM files to .hpac, exactly; each output is decoded and compared before it gets its name."""
    options = api.Options(
        tile=tile_size,
        verify=not no_verify,
        force=force,
        require_identical=require_identical,
        threads=_processors(threads),
        backend=backend,
        limits=_limits(max_pixels, max_memory),
    )
    _for_each(inputs, output, options, quiet, lambda name, session: _tell(name, api.compress(name, output, session)))


@app.command(
    epilog="Examples: hpac decode photo.hpac   writes photo.png beside it. "
    "hpac decode scan.hpac --frame 3 --region 0,512,256,256 -o part.png   decodes only those tiles."
)
def decode(
    inputs: Inputs,
    output: Output = None,
    force: Force = False,
    frame: Annotated[int | None, typer.Option(metavar="N", help="Decode one frame, counted from 0; needs -o.")] = None,
    region: Annotated[
        str | None, typer.Option(metavar="X,Y,W,H", help="Decode only these pixels of a frame; needs -o.")
    ] = None,
    salvage: Annotated[
        bool, typer.Option("--salvage", help="Get what is undamaged of a damaged file; a report names the rest.")
    ] = False,
    fill: Annotated[int, typer.Option(metavar="VALUE", help="What --salvage puts where samples are lost.")] = 0,
    threads: Threads = 0,
    backend: Backend = "",
    max_pixels: MaxPixels = 0,
    max_memory: MaxMemory = 0,
    quiet: Quiet = False,
) -> None:
    """Decode .hpac files to the kind of file that they came from; -o x.png, x.tif, x.npy convert samples."""
    limits = _limits(max_pixels, max_memory)
    options = api.Options(force=force, threads=_processors(threads), backend=backend, limits=limits)
    box = _parse_region(region)

    def work(name: str, session: api.Session) -> str:
        if salvage:
            result = api.salvage(name, output, session, fill=fill)
        elif frame is not None or box is not None:
            result = api.decompress_part(name, output or "", session, frame=frame or 0, region=box)
        else:
            result = api.decompress(name, output, session)
        return _tell(name, result)

    if salvage and (frame is not None or box is not None):
        raise typer.BadParameter("goes neither with --frame nor with --region", param_hint="--salvage")
    _for_each(inputs, output, options, quiet, work)


@app.command(epilog="Example: hpac verify *.hpac")
def verify(
    inputs: Inputs,
    threads: Threads = 0,
    backend: Backend = "",
    max_pixels: MaxPixels = 0,
    max_memory: MaxMemory = 0,
    quiet: Quiet = False,
) -> None:
    """Decode .hpac files and check every checksum, writing nothing."""

    def check(name: str, session: api.Session) -> str:
        result = api.verify(name, session)
        return f"{name}: exact ({result.samples:,} samples)"

    limits = _limits(max_pixels, max_memory)
    options = api.Options(threads=_processors(threads), backend=backend, limits=limits)
    _for_each(inputs, None, options, quiet, check)


@app.command(epilog="Example: hpac info --json photo.hpac")
def info(inputs: Inputs, json: Json = False) -> None:
    """Say what .hpac files hold, without decoding them."""
    from .describe import describe

    def tell(name: str, session: api.Session) -> str:
        return describe(api.inspect(name, session.options.limits), as_json=json)

    _for_each(inputs, None, api.Options(), False, tell, stream=sys.stdout)


@app.command(epilog="Example: hpac bench photos/ --json report.json")
def bench(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Image files or folders of them.")],
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write every figure to this file.")
    ] = None,
    threads: Threads = 0,
    backend: Backend = "",
    jxl_effort: Annotated[
        list[int] | None,
        typer.Option(min=1, max=10, help="JPEG XL efforts to compare with; may be repeated. [default: 7, 9]"),
    ] = None,
    tile_size: Tile = 128,
) -> None:
    """Round-trip images and compare sizes and speed with PNG, WebP and, with imagecodecs, JPEG XL, JPEG-LS, JPEG 2000."""
    from hpac_cli.bench import run

    options = api.Options(tile=tile_size, threads=_processors(threads), backend=backend)

    def measure(_name: str, _session: api.Session) -> str:
        if not run(paths, options, jxl_effort or (7, 9), json):
            raise RoundTripError("not every image was measured and exact")
        return ""

    raise typer.Exit(_attempt("bench", api.Session(options), True, measure, None))


@app.command(epilog="Example: hpac train rgb --data packs/ --out run/ --minutes 60")
def train(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="rgb, grey, or a TOML file like theirs.")],
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder with the zip packs or image folders that the config names.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="Where checkpoint, log and weights go; training continues from a checkpoint there."
        ),
    ],
    minutes: Annotated[float, typer.Option(help="Stop after so long.")] = 60,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Threads = 0,
) -> None:
    """Train a network and export its integers."""
    from hpac_cli.pretrain import run

    def work(_name: str, _session: api.Session) -> str:
        run(
            config,
            data=data,
            out=out,
            minutes=minutes,
            device=device,
            threads=threads,
            report=lambda line: typer.echo(line, err=True),
        )
        return ""

    raise typer.Exit(_attempt("train", api.Session(), True, work, None))


def _show_version(wanted: bool) -> None:
    if wanted:
        from hpac_cli.container.fields import VERSION_MAJOR, VERSION_MINOR

        typer.echo(f"hpac {__version__} (format {VERSION_MAJOR}.{VERSION_MINOR})")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("-V", "--version", callback=_show_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


def _limits(max_pixels: int, max_memory: int) -> Limits:
    try:
        return Limits.within(pixels=max_pixels, memory_bytes=max_memory << 20)
    except UsageError as error:
        raise typer.BadParameter(str(error)) from error


def _parse_region(text: str | None) -> api.Region | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+),(\d+),(\d+),(\d+)", text)
    if not match:
        raise typer.BadParameter("is X,Y,W,H: four whole numbers of pixels", param_hint="--region")
    x, y, width, height = map(int, match.groups())
    return x, y, width, height


def _processors(wanted: int) -> int:
    if wanted:
        return wanted
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tell(name: str, result: api.Result) -> str:
    saved = 1 - result.output_bytes / max(1, result.input_bytes)
    return f"{name} -> {result.output}: {result.input_bytes:,} -> {result.output_bytes:,} bytes ({-saved:+.1%}), {result.fidelity}, {result.seconds:.1f} s"


def _for_each(
    inputs: list[str],
    output: str | None,
    options: api.Options,
    quiet: bool,
    work: Callable[[str, api.Session], str],
    stream: Any = None,
) -> None:
    """Work on every input, whatever happens to the others; then exit with the right code."""
    if output is not None and len(inputs) > 1:
        raise typer.BadParameter("several inputs cannot go to one output", param_hint="-o")
    session = api.Session(options)
    failures = [code for name in inputs if (code := _attempt(name, session, quiet, work, stream))]
    if failures:
        raise typer.Exit(1 if len(inputs) > 1 else failures[0])


def _attempt(name: str, session: api.Session, quiet: bool, work: Callable[[str, api.Session], str], stream: Any) -> int:
    visible = not quiet and sys.stderr.isatty()
    try:
        with show_progress(name, visible=visible) as session.progress:
            line = work(name, session)
        if stream is not None or (not quiet and sys.stderr.isatty()):
            print(line, file=stream or sys.stderr, flush=True)
        return 0
    except BrokenPipeError:  # the reader had enough: end without a word
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(7)
    except HpacError as error:
        return _complain(name, str(error), error.exit_code)
    except MemoryError:
        return _complain(name, "not enough memory", 5)
    except Exception as error:
        if os.environ.get("HPAC_TRACEBACK"):
            raise
        return _complain(
            name,
            f"a fault of hpac: {type(error).__name__}: {error}; please report it (HPAC_TRACEBACK=1 shows where)",
            70,
        )


def _complain(name: str, message: str, code: int) -> int:
    shown = "standard input" if name == "-" else name
    line = f"hpac: {shown}: {message}"
    print("".join(c if c.isprintable() else "?" for c in line), file=sys.stderr, flush=True)
    return code


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
        code = 130
    if "torch" in sys.modules and isinstance(code, int):
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)  # all files are closed by now, and unloading torch takes 0.4 s
    sys.exit(code)
