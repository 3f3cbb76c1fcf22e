"""Size against speed as a picture: bits per sub-pixel over megapixels a second, hpac's efforts joined by a line."""

import html
import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from hpac_cli import files

from .codecs import is_ours
from .measure import Row
from .report import Total, add_up
from .setup import Setup

OURS, THEIRS = "#b5362a", "#4a6f8a"
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 760, 360, 60, 90, 15, 45
_TITLE, _NOTE = 28, 40
_MOST_LINES = 7
"""Horizontal ones; as many as fit without crowding."""
_LINE, _INK = "#ddd", "#333"
"""Where no style sheet says otherwise."""


class Speed(NamedTuple):
    """What lies along the lower edge."""

    title: str
    of: Callable[[Total], float | None]


ENCODE = Speed("encoding, one image at a time, MP/s", lambda total: total.encode_speed)
DECODE = Speed("decoding, one image at a time, MP/s", lambda total: total.decode_speed)
BATCH_ENCODE = Speed("encoding, MP/s", lambda total: total.batch_encode_speed)


def taken_by_all(rows: Sequence[Row]) -> list[Row]:
    """Rows of the images that every codec took; all rows if there are none."""
    codecs = {row.codec for row in rows}
    taken: dict[str, set[str]] = {}
    for row in rows:
        taken.setdefault(row.file, set()).add(row.codec)
    return [row for row in rows if taken[row.file] == codecs] or list(rows)


def write_plot(rows: Sequence[Row], setup: Setup, path: Path) -> None:
    """Draw decoding and encoding below each other, with what was measured, when, and on which machine."""
    totals = add_up(taken_by_all(rows))
    charts = "".join(
        f'<g transform="translate(0 {_TITLE + number * _HEIGHT})">{_inside(totals, speed)}</g>'
        for number, speed in enumerate((DECODE, ENCODE))
    )
    height = _TITLE + 2 * _HEIGHT + _NOTE
    images = f"{totals[0].images} image{'s' * (totals[0].images != 1)}"
    title = f"hpac {setup['hpac']} and others on {images}: bits per sub-pixel against speed"
    machine = f"{setup['processor']}, {setup['threads']} threads (others 1), {setup['backend']}, {setup['date']}"
    versions = "; ".join(f"{name} {setup[name]}" for name in list(setup)[list(setup).index("python") :])
    with files.writing(str(path)):
        path.write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
            f'font-size="12" fill="{_INK}">\n<rect width="100%" height="100%" fill="white"/>\n'
            f'<text x="{_LEFT}" y="18" font-size="14">{html.escape(title)}</text>\n{charts}'
            f'<text x="{_LEFT}" y="{height - 22}" font-size="10">{html.escape(machine)}</text>\n'
            f'<text x="{_LEFT}" y="{height - 8}" font-size="8">{html.escape(versions)}</text>\n</svg>\n',
            encoding="utf-8",
        )


def draw_chart(totals: Sequence[Total], speed: Speed) -> str:
    """One chart as an SVG element for a page."""
    if not any(speed.of(total) for total in totals):
        return "<p>No batch was measured.</p>"
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="size against speed" '
        f'style="max-width:{_WIDTH}px">{_inside(totals, speed)}</svg>'
    )


def _inside(totals: Sequence[Total], speed: Speed) -> str:
    """Points, lines and words; the speed is logarithmic."""
    points = [(total, math.log10(found)) for total in totals if (found := speed.of(total))]
    low, high = min(s for _, s in points) - 0.15, max(s for _, s in points) + 0.15
    sizes = [total.bpsp for total, _ in points]
    margin = 0.08 * (max(sizes) - min(sizes)) or 0.05 * max(sizes)
    least, most = min(sizes) - margin, max(sizes) + margin

    def x(logarithm: float) -> float:
        return _LEFT + (logarithm - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(size: float) -> float:
        return _TOP + (most - size) / (most - least) * (_HEIGHT - _BOTTOM - _TOP)

    parts = []
    for tick in speed_ticks(low, high):
        at = x(math.log10(tick))
        parts.append(_line((at, _TOP), (at, _HEIGHT - _BOTTOM), _LINE, "grid"))
        parts.append(_text(at, _HEIGHT - 26, f"{tick:g}", "middle"))
    for size in size_ticks(least, most):
        parts.append(_line((_LEFT, y(size)), (_WIDTH - _RIGHT, y(size)), _LINE, "grid"))
        parts.append(_text(_LEFT - 8, y(size) + 4, f"{size:g}", "end"))
    parts.append(_text(_WIDTH / 2, _HEIGHT - 6, speed.title, "middle"))
    parts.append(f'<g transform="translate(14 {_HEIGHT / 2}) rotate(-90)">{_text(0, 0, "bpsp", "middle")}</g>')
    ours = sorted((y(total.bpsp), x(s)) for total, s in points if is_ours(total.codec))
    parts += [_line(one[::-1], other[::-1], OURS, "ours") for one, other in itertools.pairwise(ours)]
    for total, s in points:
        colour, kind = (OURS, "ours") if is_ours(total.codec) else (THEIRS, "theirs")
        parts.append(f'<circle class="{kind}" cx="{x(s):.1f}" cy="{y(total.bpsp):.1f}" r="5" fill="{colour}"/>')
        left = ours.index((y(total.bpsp), x(s))) % 2 if is_ours(total.codec) else 0  # near ones are on either side
        parts.append(_text(x(s) + (-9 if left else 9), y(total.bpsp) + 4, total.codec, "end" if left else "start"))
    return "".join(parts)


def speed_ticks(low: float, high: float) -> list[float]:
    """Speeds 1, 2, 5, 10, ... between two logarithms; powers of ten alone where these are far apart."""
    digits = (1, 2, 5) if high - low < 3 else (1,)
    ticks = [digit * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for digit in digits]
    return [tick for tick in ticks if low <= math.log10(tick) <= high]


def size_ticks(least: float, most: float) -> list[float]:
    """Round numbers between two: multiples of 1, 2 or 5 times a power of ten."""
    fewest = (most - least) / _MOST_LINES
    power = 10.0 ** math.floor(math.log10(fewest))
    step = next(step for factor in (1, 2, 5, 10) if (step := factor * power) >= fewest)
    return [round(number * step, 10) for number in range(math.ceil(least / step), math.floor(most / step) + 1)]


def _line(one: tuple[float, float], other: tuple[float, float], colour: str, kind: str) -> str:
    place = f"M{one[0]:.1f} {one[1]:.1f}L{other[0]:.1f} {other[1]:.1f}"
    return f'<path class="{kind}" d="{place}" stroke="{colour}"/>'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(words)}</text>'
