"""hpac train: networks trained and exported."""

from pathlib import Path
from typing import Annotated

import typer

from hpac_cli import api
from hpac_cli.batch.tasks import Task

from .app import app
from .options import Device, Threads, count_processors
from .report import run_once


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

    run_once("train", work, api.Options())
