"""Sizes and speed beside other codecs, on the same samples, each checked for exactness."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpac_cli import api

from .codecs import make_codecs
from .measure import Row, find_pictures, measure
from .page import Page
from .report import print_tables, write_csv, write_json


@dataclass(frozen=True)
class Reports:
    """Files that get the figures; None for those that are not wanted."""

    json: Path | None = None
    csv: Path | None = None
    html: Path | None = None


def run(paths: Sequence[Path], options: api.Options, efforts: Sequence[int], reports: Reports) -> bool:
    """Measure every frame of every image with every codec that takes it, and report.

    An interruption ends the measuring, not the reports of what was measured.

    Returns:
        Whether hpac gave back every image exactly.

    Raises:
        KeyboardInterrupt: after the reports, if there was one.
    """
    session = api.Session(options)
    codecs = make_codecs(session, efforts)
    rows: list[Row] = []
    page = Page(session)
    interrupted = False
    try:
        for picture in find_pictures(paths, options):
            some = [measure(picture, name, codec) for name, codec in codecs.items() if codec.takes(picture.samples)]
            if reports.html is not None:
                page.add(picture, some)
            rows += some
            exact = "exact" if some[0].exact else "NOT EXACT"
            print(f"{picture.name}: {some[0].bpsp:.4f} bpsp, {exact}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        interrupted = True
    if not rows:
        print("hpac: there were no images to measure", file=sys.stderr)
    else:
        print_tables(rows)
        for path, write in ((reports.json, write_json), (reports.csv, write_csv), (reports.html, page.write)):
            if path is not None:
                write(rows, path)
    if interrupted:
        raise KeyboardInterrupt
    return bool(rows) and all(row.exact for row in rows if row.codec == "hpac")
