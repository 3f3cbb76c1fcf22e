"""hpac compare: how alike two files are."""

from enum import StrEnum
from typing import Annotated

import typer

from hpac_cli import api
from hpac_cli.batch.tasks import Task
from hpac_cli.batch.work import attempt

from .app import app
from .jsonlines import json_line
from .options import Json, MaxMemory, MaxPixels, MaxSeconds, Quiet, count_processors, parse_limits
from .report import complain, ending_quietly


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
    json: Json = False,
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
    code = int(api.LIKENESSES.index(found[0]) < api.LIKENESSES.index(require.value))
    if not quiet:
        facts = {"files": [one, other], "likeness": found[0], "exit_code": code}
        with ending_quietly():
            print(json_line(facts) if json else found[0], flush=True)
    raise typer.Exit(code)
