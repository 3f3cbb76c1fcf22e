"""Tables of what was measured: on the terminal, as JSON, as CSV."""

import csv
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hpac_cli.errors import InputError

from .codecs import name_versions
from .measure import Row

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
    hpac_is_smaller: float
    """Share that hpac saves of this codec's bytes, on the images that both took."""
    encode_speed: float
    """Megapixels a second."""
    decode_speed: float
    peak_bytes: int | None
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
            "" if self.codec == "hpac" else f"{self.hpac_is_smaller:.1%}",
            f"{self.encode_speed:.3f}",
            f"{self.decode_speed:.3f}",
            "" if self.peak_bytes is None else f"{self.peak_bytes / 1e6:.0f}",
            f"{self.exact}/{self.images}",
        )


def add_up(rows: Sequence[Row]) -> list[Total]:
    """Totals by codec, in the order of the rows."""
    ours = {row.file: row.bytes for row in rows if row.codec == "hpac"}
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
                1 - sum(ours[r.file] for r in mine) / size,
                pixels / sum(r.encode_seconds for r in mine),
                pixels / sum(r.decode_seconds for r in mine),
                max(peaks, default=None),
                sum(r.exact for r in mine),
            )
        )
    return totals


def by_folder(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows of each folder."""
    return {folder: [r for r in rows if r.folder == folder] for folder in dict.fromkeys(r.folder for r in rows)}


def describe_machine() -> dict[str, str]:
    """What figures depend on: machine and versions."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "machine": f"{platform.machine()}, {platform.system()}, {processors} processors",
        "python": platform.python_version(),
        **name_versions(),
    }


def print_tables(rows: Sequence[Row]) -> None:
    """One table for each folder, and one for all if there are several."""
    from rich.console import Console

    console = Console(width=None if os.isatty(1) else 160)
    folders = by_folder(rows)
    for folder, some in folders.items():
        console.print(_make_table(folder, some))
    if len(folders) > 1:
        console.print(_make_table("all", rows))


def _make_table(title: str, rows: Sequence[Row]) -> object:
    from rich.table import Table

    table = Table(*COLUMNS, title=title, title_justify="left")
    for total in add_up(rows):
        table.add_row(*total.cells())
    return table


def write_json(rows: Sequence[Row], path: Path) -> None:
    """Every figure, the totals of each folder, and what was measured with."""
    totals = {folder: [t._asdict() for t in add_up(some)] for folder, some in by_folder(rows).items()}
    facts = {
        "schema": 1,
        **describe_machine(),
        "rows": [{**row._asdict(), "bpsp": round(row.bpsp, 4)} for row in rows],
        "folders": totals,
        "all": [t._asdict() for t in add_up(rows)],
    }
    path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def read_sizes(path: Path) -> dict[str, int]:
    """Bytes that hpac took for each image, from a file of write_json.

    Raises:
        InputError: it is none.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
        return {row["file"]: int(row["bytes"]) for row in rows if row["codec"] == "hpac"}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no report of hpac bench --json ({error})") from error


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """One line for each codec on each image."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*Row._fields, "bpsp"])
        writer.writerows([*row, round(row.bpsp, 4)] for row in rows)
