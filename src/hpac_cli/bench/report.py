"""Tables of what was measured: on the terminal, as JSON, as CSV."""

import csv
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from hpac_cli import files
from hpac_cli.errors import InputError

from .measure import Row
from .setup import Setup, explain

COLUMNS = (
    "codec",
    "images",
    "bytes",
    "bpsp",
    "ratio",
    "saves of files",
    "hpac is smaller by",
    "encode MP/s",
    "decode MP/s",
    "batch encode MP/s",
    "batch decode MP/s",
    "peak MB",
    "exact",
)
"""What Total.cells are called."""


class Total(NamedTuple):
    """One codec over several images."""

    codec: str
    images: int
    bytes: int
    bpsp: float
    ratio: float
    """Raw bytes for one coded byte."""
    smaller_than_files: float
    """Share saved of the files that the images came from; metadata is in those alone."""
    hpac_is_smaller: float | None
    """Share that hpac, in the first way it was used, saves of this codec's bytes, on the images that both took; None
    for itself."""
    encode_speed: float
    """Megapixels a second, one image at a time."""
    decode_speed: float
    batch_encode_speed: float | None
    """Megapixels a second of images side by side; None if that was not measured."""
    batch_decode_speed: float | None
    peak_bytes: int | None
    """The most that one of the images took; None unless it was measured for all of them."""
    exact: int

    def cells(self) -> tuple[str, ...]:
        """The figures as they are shown, in the order of COLUMNS."""
        return (
            self.codec,
            f"{self.images}",
            f"{self.bytes:,}",
            f"{self.bpsp:.4f}",
            f"{self.ratio:.2f}",
            f"{self.smaller_than_files:.1%}",
            "" if self.hpac_is_smaller is None else f"{self.hpac_is_smaller:.1%}",
            f"{self.encode_speed:.3f}",
            f"{self.decode_speed:.3f}",
            *("" if s is None else f"{s:.3f}" for s in (self.batch_encode_speed, self.batch_decode_speed)),
            "" if self.peak_bytes is None else f"{self.peak_bytes / 1e6:.1f}",
            f"{self.exact}/{self.images}",
        )


def add_up(rows: Sequence[Row]) -> list[Total]:
    """Totals by codec, in the order of the rows, of which hpac's are first."""
    ours = {row.file: row.bytes for row in rows if row.codec == rows[0].codec}
    are_peaks_known = all(row.peak_bytes is not None for row in rows)
    totals = []
    for codec in dict.fromkeys(row.codec for row in rows):
        mine = [row for row in rows if row.codec == codec]
        size, pixels = sum(r.bytes for r in mine), sum(r.pixels for r in mine) / 1e6
        peaks = [r.peak_bytes for r in mine if r.peak_bytes is not None]
        totals.append(
            Total(
                codec,
                len(mine),
                size,
                8 * size / sum(r.samples for r in mine),
                sum(r.raw_bytes for r in mine) / size,
                1 - size / sum(r.file_bytes for r in mine),
                1 - sum(ours[r.file] for r in mine) / size if codec != rows[0].codec else None,
                pixels / sum(r.encode_seconds for r in mine),
                pixels / sum(r.decode_seconds for r in mine),
                _batch_speed([(r.pixels, r.batch_encode_seconds) for r in mine]),
                _batch_speed([(r.pixels, r.batch_decode_seconds) for r in mine]),
                max(peaks) if are_peaks_known else None,
                sum(r.exact for r in mine),
            )
        )
    return totals


def _batch_speed(images: Sequence[tuple[int, float | None]]) -> float | None:
    """Megapixels a second over those images, of (pixels, seconds), that a batch was timed on."""
    known = [(pixels, seconds) for pixels, seconds in images if seconds is not None]
    return sum(p for p, _ in known) / 1e6 / sum(s for _, s in known) if known else None


def by_folder(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows of each folder."""
    return {folder: [r for r in rows if r.folder == folder] for folder in dict.fromkeys(r.folder for r in rows)}


def tables(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Rows for each table, with its title: of a folder, and of all if there are several.

    All codecs of a table took the same images, so that its totals can be compared: where some codecs left images out,
    those have a table of their own.
    """
    folders = by_folder(rows)
    for folder, some in [*folders.items(), *([("all", list(rows))] if len(folders) > 1 else [])]:
        taken: dict[str, list[str]] = {}
        for row in some:
            taken.setdefault(row.file, []).append(row.codec)
        codecs = dict.fromkeys(row.codec for row in some)
        groups = {tuple(takers): [row for row in some if taken[row.file] == takers] for takers in taken.values()}
        for takers, group in groups.items():
            missing = [codec for codec in codecs if codec not in takers]
            left_out = f", which {', '.join(missing)} cannot take" if missing else ""
            count = len({row.file for row in group})
            yield folder if len(groups) == 1 else f"{folder}: {count} image{'s' * (count != 1)}{left_out}", group


def columns(totals: Sequence[Total]) -> tuple[list[str], list[list[str]]]:
    """Names of columns and cells of each total, without columns that are empty: what was not measured is not shown."""
    cells = [total.cells() for total in totals]
    shown = [number for number in range(len(COLUMNS)) if any(row[number] for row in cells)]
    return [COLUMNS[number] for number in shown], [[row[number] for number in shown] for row in cells]


def print_tables(rows: Sequence[Row], setup: Setup) -> None:
    """What was measured with, the tables, and what the figures are."""
    from rich.console import Console

    console = Console(width=None if os.isatty(1) else 180, markup=False, highlight=False)
    console.print("\n".join(f"{name}: {value}" for name, value in setup.items()), soft_wrap=True)
    for title, some in tables(rows):
        console.print(_make_table(title, some))
    console.print("\n".join(explain(setup)), soft_wrap=True)


def _make_table(title: str, rows: Sequence[Row]) -> object:
    from rich.table import Table
    from rich.text import Text

    names, cells = columns(add_up(rows))
    table = Table(*names, title=Text(title), title_justify="left")
    for row in cells:
        table.add_row(*row)
    return table


def write_json(rows: Sequence[Row], setup: Setup, path: Path) -> None:
    """Every figure, the totals of each folder, and what was measured with."""
    totals = {folder: [t._asdict() for t in add_up(some)] for folder, some in by_folder(rows).items()}
    facts = {
        "schema": 1,
        "setup": setup,
        "figures": explain(setup),
        "rows": [{**row._asdict(), "bpsp": round(row.bpsp, 4)} for row in rows],
        "folders": totals,
        "all": [t._asdict() for t in add_up(rows)],
    }
    with files.writing(str(path)):
        path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def read_sizes(path: Path) -> dict[str, int]:
    """Bytes that hpac took for each image, from a file of write_json.

    Raises:
        InputError: it is none.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
        return {row["file"]: int(row["bytes"]) for row in rows if row["codec"] == rows[0]["codec"]}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path} is no report of hpac bench --json ({error})") from error


def write_csv(rows: Sequence[Row], setup: Setup, path: Path) -> None:
    """One line for each codec on each image, with what was measured with in its last columns."""
    with files.writing(str(path)), path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*Row._fields, "bpsp", *setup])
        writer.writerows([*row, round(row.bpsp, 4), *setup.values()] for row in rows)
