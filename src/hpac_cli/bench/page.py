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
from .report import COLUMNS, Total, add_up, by_folder
from .setup import Setup, explain

_SIDE = 240
"""Of thumbnails, in pixels."""
_FULL_SCALE = 6.0
"""Bits per sub-pixel that are drawn brightest."""
_RAMP = np.array([[13, 8, 56], [86, 15, 109], [186, 54, 85], [249, 140, 10], [252, 255, 164]], np.float64)
"""Colours from no bits to many."""

_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>hpac bench</title><style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 68rem; padding: 0 1rem; color: #222 }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left }
tr.ours { font-weight: 600 } p.note, figcaption { color: #555; font-size: .85rem }
svg text { font: 12px system-ui, sans-serif; fill: #333 }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(31rem, 1fr)); gap: 1.2rem }
figure { margin: 0 } figure img { width: 15rem; height: 11rem; object-fit: contain; background: #eee }
figcaption { overflow-wrap: anywhere } .wrong { color: #b00020; font-weight: 600 }
</style></head><body>
<h1>hpac bench</h1>
<p class="note">$setup</p>
$tables
<p class="note">$figures</p>
<h2>Size against speed in a batch, all images that every codec took</h2>
$chart
<h2>How much smaller hpac is than the best other codec, image by image</h2>
$bars
<h2>Where the bits go</h2>
<p class="note">Code length of each pixel, averaged to the size shown; dark is 0, bright is $full or more bits per
sub-pixel.</p>
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
        folders = {**by_folder(rows), "all": rows} if len(by_folder(rows)) > 1 else by_folder(rows)
        page = _PAGE.substitute(
            setup="; ".join(html.escape(f"{key} {value}") for key, value in setup.items()),
            figures="<br>".join(html.escape(sentence) for sentence in explain(setup)),
            tables="".join(_table(folder, add_up(some)) for folder, some in folders.items()),
            chart=draw_chart(add_up(taken_by_all(rows)), BATCH_ENCODE),
            bars=_bars(rows),
            full=f"{_FULL_SCALE:.0f}",
            pictures="".join(_figure(shown, rows) for shown in self._shown),
        )
        with files.writing(str(path)):
            path.write_text(page, encoding="utf-8")


def _table(title: str, totals: Sequence[Total]) -> str:
    head = "".join(f"<th>{name}</th>" for name in COLUMNS)
    lines = []
    for total in totals:
        row = "".join(f"<td>{html.escape(cell)}</td>" for cell in total.cells())
        lines.append(f'<tr class="{"ours" if is_ours(total.codec) else "theirs"}">{row}</tr>')
    return f"<h2>{html.escape(title)}</h2><table><tr>{head}</tr>{''.join(lines)}</table>"


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
        colour = OURS if share >= 0 else THEIRS
        name = html.escape(Path(row.file).name[-34:])
        parts.append(f'<text x="225" y="{top + 12}" text-anchor="end">{name}</text>')
        parts.append(f'<rect x="{start:.1f}" y="{top}" width="{max(1, length):.1f}" height="15" fill="{colour}"/>')
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
