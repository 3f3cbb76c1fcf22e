"""Sizes and speed beside other codecs, on the same samples, each checked for exactness."""

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpac_cli import api
from hpac_cli.errors import FileAccessError, HpacError, InputError, UsageError

from .codecs import make_codecs
from .measure import Row, find_pictures, measure
from .memory import Watcher
from .page import Page
from .report import print_tables, read_sizes, write_csv, write_json


@dataclass(frozen=True)
class Reports:
    """Files that get the figures; None for those that are not wanted."""

    json: Path | None = None
    csv: Path | None = None
    html: Path | None = None


@dataclass(frozen=True)
class Growth:
    """How much larger than in an earlier report hpac's bytes may be."""

    report: Path
    allowed: float
    """As a share: 0.005 is half a percent."""

    def check(self, rows: Sequence[Row]) -> None:
        """Compare the images that both measured, and say what was found.

        Raises:
            HpacError: they grew by more than is allowed.
            InputError: the earlier report cannot be read, or measured none of the images.
        """
        before = read_sizes(self.report)
        ours = {row.file: row.bytes for row in rows if row.codec == "hpac" and row.file in before}
        if not ours:
            raise InputError(f"{self.report} measured none of these images")
        grown = sum(ours.values()) / sum(before[file] for file in ours) - 1
        print(f"hpac: {grown:+.2%} bytes over {len(ours)} images of {self.report}", file=sys.stderr)
        if grown > self.allowed:
            raise HpacError(f"{grown:+.2%} bytes is more than the {self.allowed:+.2%} allowed over {self.report}")


def run(
    paths: Sequence[Path],
    options: api.Options,
    efforts: Sequence[int],
    reports: Reports,
    growth: Growth | None = None,
    only: Collection[str] = (),
    adapt: Sequence[str] = (),
) -> bool:
    """Measure every frame of every image with every codec that takes it, and report.

    Args:
        paths: image files and folders.
        options: of hpac.
        efforts: of JPEG XL.
        reports: files to write.
        growth: what to compare with.
        only: peers to measure; all if there are none.
        adapt: efforts of adapting weights to each image that hpac is measured with too.

    An interruption ends the measuring, not the reports of what was measured.

    Returns:
        Whether hpac gave back every image exactly.

    Raises:
        HpacError: see Growth.check.
        UsageError: there is no such codec.
        FileAccessError: there is no such file.
        InputError: there were no images to measure.
        KeyboardInterrupt: after the reports, if there was one.
    """
    if missing := [path for path in paths if not path.exists()]:
        raise FileAccessError(f"{missing[0]}: no such file")
    session = api.Session(options)
    codecs = make_codecs(session, efforts, adapt)
    if unknown := sorted(set(only) - set(codecs)):
        raise UsageError(f"there is no codec {unknown[0]}; there are {', '.join(codecs)}")
    codecs = {name: codec for name, codec in codecs.items() if name.startswith("hpac") or not only or name in only}
    rows: list[Row] = []
    page, watcher = Page(session), Watcher()
    interrupted = False
    try:
        for picture in find_pictures(paths, options):
            takers = {name: codec for name, codec in codecs.items() if codec.takes(picture.samples)}
            some = [measure(picture, name, codec, watcher) for name, codec in takers.items()]
            if reports.html is not None:
                page.add(picture, some)
            rows += some
            exact = "exact" if some[0].exact else "NOT EXACT"
            print(f"{picture.name}: {some[0].bpsp:.4f} bpsp, {exact}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        watcher.close()
    if rows:
        print_tables(rows)
        for path, write in ((reports.json, write_json), (reports.csv, write_csv), (reports.html, page.write)):
            if path is not None:
                write(rows, path)
    if interrupted:
        raise KeyboardInterrupt
    if not rows:
        raise InputError("there were no images to measure")
    if growth is not None:
        growth.check(rows)
    return all(row.exact for row in rows if row.codec == "hpac")
