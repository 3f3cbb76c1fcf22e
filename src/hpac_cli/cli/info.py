"""hpac info: what .hpac files hold."""

import typer

from hpac_cli import api
from hpac_cli.errors import HpacError

from .app import app
from .inputs import gather, no_hpac
from .options import Choice, FilesFrom, Inputs, Json, Null, Recursive, Verbose
from .report import complain, ending_quietly
from .words import printable


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
    sources = gather(Choice(inputs, recursive, files_from, null, verbose=verbose, json=json), no_hpac)
    for source in sources:
        try:
            with ending_quietly():
                print(printable(describe(api.inspect(source.name), as_json=json)), flush=True)
        except HpacError as error:
            codes.append(complain(source.name, str(error), error.exit_code))
    raise typer.Exit(0 if not codes else codes[0] if len(sources) == 1 else 1)
