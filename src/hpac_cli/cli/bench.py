"""hpac bench: sizes and speed beside other codecs."""

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from hpac_cli import api
from hpac_cli.batch.tasks import Task
from hpac_cli.errors import RoundTripError

from .app import app
from .options import Adapting, Backend, Threads, Tile, count_processors, parse_efforts
from .report import run_once


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

    run_once("bench", work, options)
