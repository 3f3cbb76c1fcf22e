"""What can be had of a damaged .hpac file, and a report of what is lost."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from hpac_cli import files
from hpac_cli.errors import ContainerError, IncompleteError, InputError, UnsupportedError, UsageError

from .decoding import decompress_stream, to_file
from .folders import check_folder, put_in_place, staged, write_members
from .names import decoded_name, salvaged_name
from .session import Options, Result, Session
from .streams import model_of, read_whole, write_bytes

if TYPE_CHECKING:
    from hpac_cli.container.salvage import Salvaged
    from hpac_cli.image import Member

_WORDS = {None: "", True: ", and the stored SHA-256 matches", False: ", yet the stored SHA-256 does not match"}
"""What is said of a hash that was found, or was not."""
_SCHEMA = 1
"""Of the report: keys are added, never removed or given another meaning."""


def salvage(source: str, output: str | None, session: Session, *, fill: int) -> Result:
    """Decode whatever is undamaged of one .hpac file, and report what is lost.

    What is whole decodes as ever. Else lost samples get the value `fill`, and OUTPUT.lost.json lists
    them; if what lies around the samples is lost too, they become a plain .png, .tif or .npy, and a plain .tif if
    they cannot be compressed as they were.

    Raises:
        IncompleteError: the output is written, but samples or metadata are lost.
        HpacError: any other of errors.py; nothing is written under the final name then.
    """
    from hpac_cli import images
    from hpac_cli.codec.hashes import hash_samples
    from hpac_cli.codec.kinds import KIND_NAMES
    from hpac_cli.codec.salvaged import decode_salvaged
    from hpac_cli.container.fields import Kind
    from hpac_cli.container.parse import peek
    from hpac_cli.container.salvage import find_undamaged
    from hpac_cli.image import Image

    data = read_whole(source)
    try:
        return decompress_stream(io.BytesIO(data), source, output, session)
    except ContainerError:
        pass
    except InputError:  # one file of a series that cannot be made again need not keep back the others
        of_all, _, _ = peek(io.BytesIO(data))
        if of_all is not Kind.SERIES or decoded_name(source, output, "series", "")[1] != "series":
            raise
    options = session.options
    found = find_undamaged(data, options.limits)
    if found.header.members:
        target, wanted = decoded_name(source, output, "series", "")
        if wanted == "series":
            return _salvage_series(found, source, target, session, fill)
    kind = "" if found.metadata is None or found.header.is_series else KIND_NAMES[found.header.kind]
    target, wanted = salvaged_name(source, output, kind, os.fsdecode(found.header.suffix))
    beside = None if target is None else target.with_name(target.name + ".lost.json")
    for path in (target, beside):
        files.check_output(path, source=source, force=options.force)
    if found.header.is_whole:
        if wanted != kind:
            raise UnsupportedError("the file was kept whole, so it cannot be converted; name no other kind with -o")
        return _salvage_whole(found, source, target, beside, options)
    session.check_duration(found.header.frames)
    with session.count("salvage", found.header.num_samples) as advance:
        threads = max(1, options.threads)
        frames, lost = decode_salvaged(found, fill, networks=session.networks, threads=threads, progress=advance)
    image, around_lost = Image(frames, kind or "arrays", found.metadata or b""), found.metadata is None
    matches = None if lost else _agree(hash_samples(frames), found.samples_hash)
    try:
        out = to_file(images.with_fresh_streams(image) if lost or matches is False else image, wanted)
    except InputError:  # how its samples were compressed does not fit others
        target, around_lost = _plain_place(target, source, options), True
        out = images.convert(Image(frames, "arrays"), "tiff")
    if matches and not around_lost and found.header.identical and wanted == kind:
        matches = _agree(hashlib.sha256(out).digest(), *found.file_hashes)
    report = {
        "file": source,
        "output": str(target or files.STANDARD),
        "metadata_lost": around_lost,
        "samples": image.num_samples,
        "samples_lost": sum(part.box.height * part.box.width * len(part.channels) for part in lost),
        "hash_matches": matches,
        "lost": [{"frame": p.frame, "channels": list(p.channels), **p.box._asdict()} for p in lost],
    }
    write_bytes(target, out, force=options.force)
    where = _write_report(beside, report, options)
    around = ", and all metadata" if around_lost else ""
    raise IncompleteError(
        f"damaged: {report['samples_lost']:,} of {image.num_samples:,} samples are lost{around}{_WORDS[matches]}; "
        f"the rest is in {target or 'standard output'}{where}"
    )


def _agree(digest: bytes, *stored: bytes) -> bool | None:
    """Whether what was found of a SHA-256 is the beginning of this one; None if nothing was."""
    return digest.startswith(stored[0]) if stored and stored[0] else None


def _plain_place(target: Path | None, source: str, options: Options) -> Path | None:
    """Where samples go as a plain TIFF that cannot be put in their own kind of file."""
    if target is None or target.suffix.lower() in (".tif", ".tiff"):
        return target
    plain = target.with_name(target.name + ".tif")
    files.check_output(plain, source=source, force=options.force)
    return plain


def _salvage_series(found: Salvaged, source: str, target: Path | None, session: Session, fill: int) -> NoReturn:
    """Put the files of a series that are whole into a folder, and say which are lost."""
    options, entries = session.options, found.header.members
    if target is None:
        raise UsageError("a series becomes a folder; name it with -o")
    beside = target.with_name(target.name + ".lost.json")
    check_folder(target, [os.fsdecode(entry.name) for entry in entries], source, options)
    files.check_output(beside, source=source, force=options.force)
    session.check_duration(found.header.frames)
    hint = "; -o x.tif gives the samples of its pictures alone" if found.metadata is None else ""
    with staged(target) as stage:
        saved = []
        for member in _whole_members(found, session, fill):
            with contextlib.suppress(ContainerError, InputError):  # it has another hash
                write_members(stage, [member], like=model_of(source, options))
                saved.append(member.name)
        if not saved:
            raise ContainerError(f"not one file of the series is undamaged{hint}")
        put_in_place(stage, target, saved, options)
    lost = [name for name in (os.fsdecode(entry.name) for entry in entries) if name not in set(saved)]
    report = {
        "file": source,
        "output": str(target),
        "metadata_lost": found.metadata is None,
        "hashes_lost": not found.file_hashes,
        "files": len(entries),
        "files_lost": lost,
    }
    where = _write_report(beside, report, options)
    unproved = "" if found.file_hashes else ", though their hashes are lost"
    what = f"{len(lost):,} of {len(entries):,} files are lost" if lost else "no file is lost"
    raise IncompleteError(f"damaged: {what}; the rest is in {target}{unproved}{where}{hint}")


def _whole_members(found: Salvaged, session: Session, fill: int) -> Iterator[Member]:
    """The files of a series of which every tile, or every piece, was found."""
    from hpac_cli.codec.salvaged import decode_salvaged
    from hpac_cli.codec.series import make_member, places_of_whole

    entries = found.header.members
    hashes = found.file_hashes or (b"",) * len(entries)
    for number, start, end in places_of_whole(entries):
        file = _cut(found.pieces, start, end)
        if file is not None:
            yield make_member(entries[number], (), b"", hashes[number], io.BytesIO(file))
    frames = found.header.frames
    are_tiles_lost = not found.tiles and any(
        frame.num_tiles for frame in frames
    )  # samples that are all the same need none
    if not frames or are_tiles_lost or found.metadata is None:
        return
    with session.count("salvage", found.header.num_samples) as advance:
        threads = max(1, session.options.threads)
        samples, lost = decode_salvaged(found, fill, networks=session.networks, threads=threads, progress=advance)
    damaged, at, first = {part.frame for part in lost}, 0, 0
    for entry, digest in zip(entries, hashes, strict=True):
        if not entry.num_frames:
            continue
        own = range(first, first + entry.num_frames)
        if damaged.isdisjoint(own):
            envelope = found.metadata[at : at + entry.size]
            yield make_member(entry, samples[own.start : own.stop], envelope, digest, None)
        at, first = at + entry.size, own.stop


def _cut(pieces: dict[int, bytes], start: int, end: int) -> bytes | None:
    """Cut bytes out of pieces; None if some are in none."""
    parts = []
    for offset, data in pieces.items():
        if offset <= start < offset + len(data):
            parts.append(data[start - offset : end - offset])
            start += len(parts[-1])
    return b"".join(parts) if start == end else None


def _salvage_whole(
    found: Salvaged, source: str, target: Path | None, beside: Path | None, options: Options
) -> NoReturn:
    """Write the pieces that are left of a file that was kept whole, zeros between them, and say which bytes are lost."""
    if not found.pieces:
        raise ContainerError("not one piece of the file is undamaged")
    lost: list[tuple[int, int]] = []
    parts, at = list[bytes](), 0
    for offset, data in found.pieces.items():
        if offset > at:
            lost.append((at, offset))
            parts.append(bytes(offset - at))
        parts.append(data)
        at = offset + len(data)
    out = b"".join(parts)
    matches = None if lost else _agree(hashlib.sha256(out).digest(), *found.file_hashes)
    report = {
        "file": source,
        "output": str(target or files.STANDARD),
        "bytes": at,
        "bytes_lost": lost,
        "hash_matches": matches,
    }
    write_bytes(target, out, force=options.force)
    where = _write_report(beside, report, options)
    missing = sum(stop - start for start, stop in lost)
    behind = "" if matches else ", and perhaps more behind them"
    raise IncompleteError(
        f"damaged: {missing:,} of {at:,} bytes are lost{behind}{_WORDS[matches]}; "
        f"the rest is in {target or 'standard output'}{where}"
    )


def _write_report(beside: Path | None, report: dict[str, Any], options: Options) -> str:
    """Write what is lost to a file; return how a message says so."""
    if beside is None:
        return ""
    text = json.dumps({"schema": _SCHEMA, **report}, indent=1)
    write_bytes(beside, (text + "\n").encode(), force=options.force)
    return f"; {beside} lists them"
