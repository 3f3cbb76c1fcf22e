"""One HTML page of what was measured, readable without a network: tables, charts, and where the bits went."""

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from hpac_cli import api, files
from hpac_cli.image import Samples

from .codecs import is_ours
from .measure import Picture, Row
from .plot import BATCH_ENCODE, OURS, THEIRS, draw_chart, taken_by_all
from .report import Total, add_up, columns, tables
from .setup import Setup, explain

_SIDE = 240
"""Of thumbnails, in pixels."""
_FULL_SCALE = 6.0
"""Bits per sub-pixel that are drawn brightest."""
_RAMP = np.array([[13, 8, 56], [86, 15, 109], [186, 54, 85], [249, 140, 10], [252, 255, 164]], np.float64)
"""Colours from no bits to many."""

_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>hpac bench</title><style>
:root { --paper: #fff; --ink: #222; --soft: #555; --line: #ddd; --ours: $ours; --theirs: $theirs; --wrong: #b00020 }
@media (prefers-color-scheme: dark) {
  :root { --paper: #16181b; --ink: #e6e6e6; --soft: #a5a9ae; --line: #3a3e44; --ours: #ef7b6c; --theirs: #86b3d1;
    --wrong: #ff8a9a }
}
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem;
  color: var(--ink); background: var(--paper) }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem; overflow-wrap: anywhere }
.wide { overflow-x: auto }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid var(--line) }
th { vertical-align: bottom; font-size: .85rem }
th:first-child, td:first-child { text-align: left; white-space: nowrap }
tr.ours { font-weight: 600 } p.note, figcaption, dl { color: var(--soft); font-size: .85rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem } dd { margin: 0; overflow-wrap: anywhere }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink) }
path.grid { stroke: var(--line) } path.ours { stroke: var(--ours) }
circle.ours, rect.ours { fill: var(--ours) } circle.theirs, rect.theirs { fill: var(--theirs) }
.ramp { display: flex; margin: .6rem 0 1rem; align-items: center; gap: .6rem; color: var(--soft); font-size: .85rem }
.ramp span { width: 15rem; height: .9rem; background: linear-gradient(to right, $ramp) }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 31rem), 1fr)); gap: 1.2rem }
figure { margin: 0 } figure img { width: 15rem; height: 11rem; object-fit: contain; background: var(--line) }
figcaption { overflow-wrap: anywhere } .wrong { color: var(--wrong); font-weight: 600 }
</style></head><body>
<h1>hpac bench</h1>
<dl>$setup</dl>
$tables
<p class="note">$figures</p>
<h2>Size against speed in a batch, all images that every codec took</h2>
<p class="note">bpsp: bits per sub-pixel, of which an RGB pixel has three. Lower is smaller, right is faster.</p>
$chart
<h2>How much smaller hpac is than the best other codec, image by image</h2>
$bars
<h2>Where the bits go</h2>
<p class="note">Beside each picture, its map: how many bits hpac spent on each pixel (its code length), averaged to the size
shown. Dark places cost next to nothing, as flat and smooth ones do; bright places could hardly be predicted, as noise and fine
texture.</p>
<div class="ramp">0 <span></span> $full bits per sub-pixel or more</div>
<div class="pictures">$pictures</div>
</body></html>
""")


class _Shown(NamedTuple):
    name: str
    thumbnail: str
    heat: str


class Page:
    """Collects pictures while they are measured, and writes the page at the end."""

    def __init__(self, session: api.Session) -> None:
        self._session = session
        self._shown: list[_Shown] = []

    def add(self, picture: Picture) -> None:
        """Keep a thumbnail of a picture, and of where its bits went."""
        bits = api.map_code_lengths(picture.samples, self._session) / picture.samples.shape[2]
        self._shown.append(_Shown(picture.name, _embed(_thumbnail(picture.samples)), _embed(_heat(bits))))

    def write(self, rows: Sequence[Row], setup: Setup, path: Path) -> None:
        """Write the page."""
        page = _PAGE.substitute(
            ours=OURS,
            theirs=THEIRS,
            ramp=", ".join(f"rgb({r:.0f} {g:.0f} {b:.0f})" for r, g, b in _RAMP),
            setup="".join(
                f"<dt>{key.replace('_', ' ')}</dt><dd>{html.escape(str(value))}</dd>" for key, value in setup.items()
            ),
            figures="<br>".join(html.escape(sentence) for sentence in explain(setup)),
            tables="".join(_table(title, add_up(some)) for title, some in tables(rows)),
            chart=draw_chart(add_up(taken_by_all(rows)), BATCH_ENCODE),
            bars=_bars(rows),
            full=f"{_FULL_SCALE:.0f}",
            pictures="".join(_figure(shown, rows) for shown in self._shown),
        )
        with files.writing(str(path)):
            path.write_text(page, encoding="utf-8")


def _table(title: str, totals: Sequence[Total]) -> str:
    names, cells = columns(totals)
    head = "".join(f"<th>{name}</th>" for name in names)
    lines = []
    for total, row in zip(totals, cells, strict=True):
        line = "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
        lines.append(f'<tr class="{"ours" if is_ours(total.codec) else "theirs"}">{line}</tr>')
    table = f"<table><tr>{head}</tr>{''.join(lines)}</table>"
    return f'<h2>{html.escape(title)}</h2><div class="wide">{table}</div>'


def _bars(rows: Sequence[Row]) -> str:
    best: dict[str, Row] = {}
    for row in rows:
        if not is_ours(row.codec) and (row.file not in best or row.bytes < best[row.file].bytes):
            best[row.file] = row
    ours = [row for row in rows if row.codec == rows[0].codec and row.file in best]
    if not ours:
        return "<p>There was no other codec to compare with.</p>"
    saved = [1 - row.bytes / best[row.file].bytes for row in ours]
    reach = max(0.05, *(abs(share) for share in saved))
    middle = 240 if min(saved) >= 0 else 430
    scale, height = (760 - 110 - middle) / reach, 20 * len(ours) + 10
    parts = [f'<svg viewBox="0 0 760 {height}" role="img" aria-label="savings" style="max-width:760px">']
    for i, (row, share) in enumerate(zip(ours, saved, strict=True)):
        top, length = 20 * i + 5, abs(share) * scale
        start = middle if share >= 0 else middle - length
        kind, colour = ("ours", OURS) if share >= 0 else ("theirs", THEIRS)
        name = html.escape(Path(row.file).name[-34:])
        parts.append(f'<text x="225" y="{top + 12}" text-anchor="end">{name}</text>')
        place = f'x="{start:.1f}" y="{top}" width="{max(1, length):.1f}" height="15"'
        parts.append(f'<rect class="{kind}" {place} fill="{colour}"/>')
        label = f"{share:.1%} ({html.escape(best[row.file].codec)})"
        side = middle + length + 6 if share >= 0 else middle + 6
        parts.append(f'<text x="{side:.1f}" y="{top + 12}">{label}</text>')
    return "".join(parts) + "</svg>"


def _figure(shown: _Shown, rows: Sequence[Row]) -> str:
    ours = next(row for row in rows if row.file == shown.name and row.codec == rows[0].codec)
    wrong = "" if ours.exact else ' <span class="wrong">NOT EXACT</span>'
    name = html.escape(shown.name)
    return (
        f'<figure><img src="{shown.thumbnail}" alt="{name}"> <img src="{shown.heat}" alt="code lengths of {name}">'
        f"<figcaption>{name}: {ours.bytes:,} bytes, {ours.bpsp:.3f} bpsp{wrong}</figcaption></figure>"
    )


def _thumbnail(samples: Samples) -> PillowImage.Image:
    """Samples of any type, stretched to 8 bits if they are not."""
    shown = samples[..., :3] if samples.shape[2] >= 3 else samples[..., 0]
    if shown.dtype != np.uint8:
        wide = np.nan_to_num(shown.astype(np.float64), posinf=0, neginf=0)
        low, high = np.percentile(wide, (0.5, 99.5))
        shown = (255 * ((wide - low) / max(high - low, 1e-12)).clip(0, 1)).astype(np.uint8)
    return PillowImage.fromarray(np.ascontiguousarray(shown))


def _heat(bits: NDArray[np.float32]) -> PillowImage.Image:
    small = PillowImage.fromarray(bits)
    small.thumbnail((_SIDE, _SIDE), PillowImage.Resampling.BOX)
    place = (np.asarray(small) / _FULL_SCALE).clip(0, 1) * (len(_RAMP) - 1)
    colours = [np.interp(place, range(len(_RAMP)), _RAMP[:, channel]) for channel in range(3)]
    return PillowImage.fromarray(np.stack(colours, -1).astype(np.uint8))


def _embed(picture: PillowImage.Image) -> str:
    picture.thumbnail((_SIDE, _SIDE))
    file = io.BytesIO()
    options: dict[str, Any] = {"quality": 85}
    picture.save(file, "webp", **options)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
