"""hpac list: many .hpac files in a table."""

from collections.abc import Iterator, Sequence

import typer

from hpac_cli import api
from hpac_cli.errors import HpacError

from .app import app
from .inputs import gather, no_hpac
from .jsonlines import json_line
from .options import Choice, FilesFrom, Inputs, Json, Null, Recursive, Verbose
from .report import complain, ending_quietly
from .words import line

_HEAD = ("hpac", "source", "ratio", "kind", "picture", "file")
_NUMBERS = 3
"""Columns of numbers, which come first and are set to the right."""


@app.command(
    "list", epilog="Examples: hpac list *.hpac. hpac -l -r archive/. Sizes are in bytes; info tells all of one file."
)
def list_files(
    inputs: Inputs = None,
    recursive: Recursive = False,
    files_from: FilesFrom = None,
    null: Null = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """List .hpac files with sizes and ratios, by their beginnings; verify tells whether they are whole."""
    sources = gather(Choice(inputs, recursive, files_from, null, verbose=verbose, json=json), no_hpac)
    codes: list[int] = []
    entries: list[api.Entry] = []
    with ending_quietly():
        for source in sources:
            try:
                entries.append(api.list_file(source.name))
            except HpacError as error:
                codes.append(complain(source.name, str(error), error.exit_code))
                continue
            if json:
                print(json_line(entries[-1].to_json()), flush=True)
        code = 0 if not codes else codes[0] if len(sources) == 1 else 1
        if json:
            summary = {"files": len(sources), "failed": len(codes), **_total(entries), "exit_code": code}
            print(json_line({"summary": summary}), flush=True)
        elif entries:
            print("\n".join(_table(entries)), flush=True)
    raise typer.Exit(code)


def _total(entries: Sequence[api.Entry]) -> dict[str, float | None]:
    """Of the files whose sources' sizes are known, if there are any."""
    known = [(entry.bytes, entry.source_bytes) for entry in entries if entry.source_bytes is not None]
    size, source = sum(size for size, _ in known), sum(source for _, source in known)
    ratio = round(source / max(1, size), 4) if known else None
    return {"bytes": sum(entry.bytes for entry in entries), "source_bytes": source, "ratio": ratio}


def _table(entries: Sequence[api.Entry]) -> Iterator[str]:
    rows = [_HEAD, *map(_row, entries)]
    if len(entries) > 1:
        total = _total(entries)
        sizes = (f"{total['bytes']:,}", f"{total['source_bytes']:,}", _ratio(total["ratio"]))
        rows.append((*sizes, "", "", f"{len(entries):,} files"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            text.rjust(width) if number < _NUMBERS else text.ljust(width)
            for number, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def _row(entry: api.Entry) -> tuple[str, ...]:
    source = "?" if entry.source_bytes is None else f"{entry.source_bytes:,}"
    frames = f"{entry.frames:,} of " if entry.frames > 1 else ""
    picture = f"{frames}{entry.width} x {entry.height} x {entry.channels}, {entry.sample_type}"
    kind = entry.suffix.removeprefix(".") or entry.kind if entry.kind == "file" else entry.kind
    sizes = (f"{entry.bytes:,}", source, _ratio(entry.ratio))
    return (*sizes, line(kind), picture if entry.frames else "kept whole", line(entry.file))


def _ratio(ratio: float | None) -> str:
    return "?" if ratio is None else f"{ratio:.3f}"
