"""The course of a training as a picture: loss against pixels seen, from its CSV."""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_WIDTH, _HEIGHT, _MARGIN = 720, 400, 56
_SMOOTHED = 20
"""Rows of which the thick line is the mean, one crop being unlike another."""
_TICKS = 6


def plot_log(log: Path, target: Path) -> None:
    """Draw what training wrote to its CSV as SVG: every row thin, the running mean thick.

    Args:
        log: rows of updates, pixels seen, seconds, and training bits per sub-pixel.
        target: replaced if it is there.
    """
    with log.open(newline="") as file:
        rows = np.array([[float(cell) for cell in row] for row in csv.reader(file)])
    pixels, loss = rows[:, 1] / 1e6, rows[:, 3]
    span = min(_SMOOTHED, len(loss))
    smooth = np.convolve(loss, np.ones(span) / span, "valid")
    x = np.interp(pixels, (0, pixels.max()), (_MARGIN, _WIDTH - 16))
    low, high = np.quantile(loss, 0.01), np.quantile(loss, 0.99)

    def at(bits: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.interp(bits, (low, high), (_HEIGHT - _MARGIN, 16)) if high > low else np.full(len(bits), 16.0)

    across = [
        _text(
            _MARGIN + share * (_WIDTH - 16 - _MARGIN), _HEIGHT - _MARGIN + 20, f"{share * pixels.max():.4g}", "middle"
        )
        for share in np.linspace(0, 1, _TICKS)
    ]
    up = [_text(_MARGIN - 8, y, f"{b:.3f}", "end") for b in np.linspace(low, high, _TICKS) for y in at(np.array([b]))]
    target.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12">\n'
        '<rect width="100%" height="100%" fill="white"/>\n'
        + _line(x, at(loss), 'stroke="#9bc" stroke-width="0.7"')
        + _line(x[span - 1 :], at(smooth), 'stroke="#124" stroke-width="2"')
        + "".join(across + up)
        + _text(_WIDTH / 2, _HEIGHT - 12, "million pixels seen", "middle")
        + _text(_MARGIN, 12, "bits per sub-pixel", "start")
        + "</svg>\n"
    )


def _line(x: NDArray[np.float64], y: NDArray[np.float64], style: str) -> str:
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<polyline fill="none" {style} points="{points}"/>\n'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>\n'
