"""An .hpac file described, in words or as JSON."""

from typing import Any

from hpac_cli.kept import Kept

from .jsonlines import json_line
from .words import line


def describe(facts: dict[str, Any], *, as_json: bool) -> str:
    """Render what api.inspect found."""
    if as_json:
        return json_line(facts)
    sizes, tiles, frames = facts["bytes"], facts["tiles"], facts["frames"]
    modes = ", ".join(f"{count} {mode.replace('_', ' ')}" for mode, count in tiles.items() if count)
    parts = ", ".join(f"{name} {size:,}" for name, size in sizes.items() if size)
    rows = {
        "source": f"{facts['kind']}, comes back as {_FIDELITIES[facts['fidelity']]}",
        "kept": _describe_kept(facts),
        "files": _describe_members(facts["members"]),
        "image": _describe_frames(frames),
        "coding": ", ".join(dict.fromkeys(_describe_part(part) for frame in frames for part in frame["parts"])),
        "tiles": f"{modes} (side {frames[0]['tile']})" + _turned(facts["turned_tiles"]) if modes else "none",
        "adapted": ", ".join(f"from weights {a['weights']} by {a['bytes']:,} bytes" for a in facts["adapters"]),
        "bytes": parts + _ratio(facts["source_bytes"], sizes["total"]),
        "bpsp": f"{facts['bpsp']:.4f}" if frames else "none: nothing of this file was coded as samples",
        "samples": f"sha256 {facts['samples_sha256']}",
        "file": f"sha256 {facts['file_sha256']}" if facts["file_sha256"] else "",
        "format": facts["format_version"],
    }
    return "\n".join([facts["file"], *(f"  {name:<9}{text}" for name, text in rows.items() if text)])


_COLOURS = {
    "jpeg": ", luma and chroma as JPEG has them",
    "photo_cd": ", luma and chroma as PhotoCD has them",
    "webp": ", luma and chroma as WebP has them",
    "heif": ", luma and chroma as HEIF has them",
    "libyuv_601": ", luma and chroma as AVIF has them (BT.601)",
    "libyuv_601_limited": ", luma and chroma as AVIF has them (BT.601, limited range)",
    "libyuv_709": ", luma and chroma as AVIF has them (BT.709)",
    "libyuv_709_limited": ", luma and chroma as AVIF has them (BT.709, limited range)",
    "swscale_601": ", luma and chroma as video has them (BT.601, full range)",
    "swscale_601_limited": ", luma and chroma as video has them (BT.601)",
    "swscale_709": ", luma and chroma as video has them (BT.709, full range)",
    "swscale_709_limited": ", luma and chroma as video has them (BT.709)",
    "rounded_601_limited": ", luma and chroma of BT.601, limited range",
    "rounded_709": ", luma and chroma of BT.709",
    "rounded_709_limited": ", luma and chroma of BT.709, limited range",
}
_FIDELITIES = {"bytes": "the same bytes", "samples+metadata": "equal samples and metadata in a fresh file"}


def _describe_kept(facts: dict[str, Any]) -> str:
    """Why samples lie in the file as they are, or the file is kept whole, and what can be done about that."""
    if not facts["kept"] and not facts["kept_whole"]:
        return ""
    what = f"whole, {facts['kept_whole_bytes']:,} bytes" if facts["kept_whole"] else "some samples as they are"
    if not facts["kept"]:
        return what
    kept = Kept[facts["kept"].upper()]
    can = "; --transcode puts them, where it can prove them equal, into a fresh file"
    return f"{what}: {kept.why}{can if kept.can_transcode else ''}"


def _ratio(source: int | None, size: int) -> str:
    return "" if source is None else f"; the source {source:,}, {source / size:.3f} times as many"


def _describe_members(members: list[dict[str, Any]]) -> str:
    """A line for each file of a series."""
    names = [line(m["name"]) for m in members]
    width = max(map(len, names), default=0)
    rows = [f"{n:<{width}}  {m['kind']}, {_describe_member(m)}" for n, m in zip(names, members, strict=True)]
    return "\n           ".join([f"{len(members):,} in order", *rows]) if members else ""


def _describe_member(member: dict[str, Any]) -> str:
    if member["kept_whole"]:
        why = f": {Kept[member['kept'].upper()].why}" if member["kept"] else ""
        return f"kept whole, {member['kept_whole_bytes']:,} bytes{why}"
    first, last = member["first_frame"], member["first_frame"] + member["frames"] - 1
    frames = f"frame {first}" if first == last else f"frames {first} to {last}"
    fidelity = "" if member["fidelity"] == "bytes" else f", {_FIDELITIES[member['fidelity']]}"
    return f"{frames}, {member['tile_bytes']:,} bytes{fidelity}"


def _turned(tiles: int) -> str:
    return f", {tiles} turned" if tiles else ""


def _describe_frames(frames: list[dict[str, Any]]) -> str:
    """Frames that are alike in one phrase."""
    kinds: dict[str, int] = {}
    for f in frames:
        text = f"{f['width']} x {f['height']}, {f['channels']} channel{'s' * (f['channels'] > 1)}, {f['sample_type']}"
        kinds[text] = kinds.get(text, 0) + 1
    return "; ".join(f"{count} frames of {text}" if count > 1 else text for text, count in kinds.items())


def _describe_part(part: dict[str, Any]) -> str:
    channels = f"{part['channels']} channel{'s' * (part['channels'] > 1)}"
    if part["coding"] == "constant":
        return f"{channels} constant"
    if part["coding"] == "bytes":
        return f"{channels} as compressed bytes"
    values = {"table": ", values packed", "as they are": ""}.get(part["values"], f", values {part['values']}")
    colours = _COLOURS.get(part["colours"], "")
    cells = f", cells of {part['cells']} bytes" if part["cells"] else ""
    told = _describe_references(part["references"])
    repeats = ", far repetition" if part["repeats"] else ""
    return f"{channels} of {part['bit_depth']} bits by weights {part['weights']}{colours}{values}{cells}{told}{repeats}"


def _describe_references(references: list[dict[str, int]]) -> str:
    within = sum(not reference["frames_back"] for reference in references)
    parts = [(within, "channel"), (len(references) - within, "earlier frame")]
    return "".join(f", told of {count} {what}{'s' * (count > 1)}" for count, what in parts if count)
