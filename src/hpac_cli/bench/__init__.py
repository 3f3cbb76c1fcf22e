"""Sizes and speed beside other codecs, on the same samples, each checked for exactness."""

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hpac_cli import api
from hpac_cli.errors import FileAccessError, HpacError, InputError, UsageError

from .batches import gather, time_batch
from .codecs import Codec, is_ours, make_codecs
from .measure import Measured, Picture, Row, find_pictures, measure, warm_up
from .memory import Watcher
from .page import Page
from .plot import write_plot
from .report import print_tables, read_sizes, write_csv, write_json
from .setup import count_side_by_side, describe


@dataclass(frozen=True)
class Reports:
    """Files that get the figures; None for those that are not wanted."""

    json: Path | None = None
    csv: Path | None = None
    html: Path | None = None
    plot: Path | None = None


@dataclass(frozen=True)
class Growth:
    """How much larger than in an earlier report hpac's bytes may be."""

    report: Path
    allowed: float
    """As a share: 0.005 is half a percent."""

    def check(self, rows: Sequence[Row], before: Mapping[str, int]) -> None:
        """Compare the images that both measured, and say what was found.

        Args:
            before: bytes of each image in the earlier report.

        Raises:
            HpacError: they grew by more than is allowed.
            InputError: the earlier report measured none of the images.
        """
        ours = {row.file: row.bytes for row in rows if row.codec == rows[0].codec and row.file in before}
        if not ours:
            raise InputError(f"{self.report} measured none of these images")
        grown = sum(ours.values()) / sum(before[file] for file in ours) - 1
        print(f"hpac: {grown:+.2%} bytes over {len(ours)} images of {self.report}", file=sys.stderr)
        if grown > self.allowed:
            raise HpacError(f"{grown:+.2%} bytes is more than the {self.allowed:+.2%} allowed over {self.report}")


def run(
    paths: Sequence[Path],
    ways: Sequence[api.Options],
    jxl_efforts: Sequence[int],
    reports: Reports,
    growth: Growth | None = None,
    only: Collection[str] = (),
    command: str = "",
) -> bool:
    """Measure every frame of every image with every codec that takes it, alone and in batches, and report.

    Args:
        paths: image files and folders.
        ways: to use hpac; peers are compared with the first.
        jxl_efforts: of JPEG XL.
        reports: files to write.
        growth: what to compare with.
        only: peers to measure; all if there are none.
        command: to be named in the reports.

    An interruption ends the measuring, not the reports of what was measured.

    Returns:
        Whether hpac gave back every image exactly.

    Raises:
        HpacError: see Growth.check.
        FileAccessError: a file or folder is not there, or a report cannot be written.
        InputError: no image could be measured (of several errors that files were left out for, the first is raised), or
            the earlier report is none.
        UsageError: there is no such codec or backend.
        KeyboardInterrupt: after the reports, if there was one.
    """
    if missing := [path for path in paths if not path.exists()]:
        raise FileAccessError(f"{missing[0]}: no such file or folder")
    before = read_sizes(growth.report) if growth is not None else {}
    session = api.Session(ways[0])
    sessions = [replace(session, options=options, _networks=session.networks) for options in ways]
    for each in sessions:
        each.load()
    setup = describe(session, command)
    page = Page(session)
    measuring = _Measuring(sessions, _choose(make_codecs(sessions, jxl_efforts), only), jxl_efforts)
    left_out: list[HpacError] = []
    interrupted = False
    try:
        for pictures in gather(find_pictures(paths, ways[0], left_out)):
            for picture in pictures:
                ours = measuring.measure_alone(picture)
                if reports.html is not None:
                    page.add(picture)
                print(f"{picture.name}: {ours.bpsp:.4f} bpsp, {_judge(ours)}", file=sys.stderr, flush=True)
            measuring.measure_batch()
    except KeyboardInterrupt:
        interrupted = True
    finally:
        measuring.watcher.close()
    rows = list(measuring.rows.values())
    if rows:
        print_tables(rows, setup)
        for path, write in (
            (reports.json, write_json),
            (reports.csv, write_csv),
            (reports.html, page.write),
            (reports.plot, write_plot),
        ):
            if path is not None:
                write(rows, setup, path)
    if interrupted:
        raise KeyboardInterrupt
    if not rows:
        kind = type(left_out[0]) if left_out else InputError
        raise kind("no image could be measured")
    if growth is not None:
        growth.check(rows, before)
    return all(row.exact for row in rows if is_ours(row.codec))


class _Measuring:
    """The codecs, and what was measured with them so far."""

    def __init__(self, sessions: Sequence[api.Session], codecs: dict[str, Codec], jxl_efforts: Sequence[int]) -> None:
        """Warm the codecs up.

        Args:
            codecs: hpac first.
        """
        self.rows: dict[tuple[str, str], Row] = {}
        """By file and codec."""
        self.watcher = Watcher()
        self._codecs = codecs
        # without adapted weights: torch does not outlive a fork once it has run
        plain = [session for session in sessions if not session.adapts]
        self._single = make_codecs([replace(s, options=replace(s.options, threads=1)) for s in plain], jxl_efforts)
        self._workers = count_side_by_side(sessions[0].options)
        self._batch: list[Measured] = []
        warm_up(codecs.values())

    def measure_alone(self, picture: Picture) -> Row:
        """Measure an image with every codec that takes it, and keep it for the next batch; returns hpac's row."""
        takers = {name: codec for name, codec in self._codecs.items() if codec.takes(picture.samples)}
        found = [measure(picture, name, codec, self.watcher) for name, codec in takers.items()]
        self._keep(one.row for one in found)
        self._batch += found
        return found[0].row

    def measure_batch(self) -> None:
        """Time the images since the last batch side by side, codec after codec."""
        for name, codec in self._single.items():
            if some := [one for one in self._batch if one.row.codec == name]:
                self._keep(time_batch(codec, some, self._workers))
        self._batch = []

    def _keep(self, rows: Iterable[Row]) -> None:
        self.rows |= {(row.file, row.codec): row for row in rows}


def _choose(codecs: dict[str, Codec], only: Collection[str]) -> dict[str, Codec]:
    if unknown := sorted(set(only) - set(codecs)):
        raise UsageError(f"there is no codec {unknown[0]}; there are {', '.join(codecs)}")
    return {name: codec for name, codec in codecs.items() if is_ours(name) or not only or name in only}


def _judge(row: Row) -> str:
    return "exact" if row.exact else "NOT EXACT"
