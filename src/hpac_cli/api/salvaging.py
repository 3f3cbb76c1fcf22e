"""What can be had of a damaged .hpac file?"""

from __future__ import annotations

import contextlib
import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from hpac_cli import files
from hpac_cli.errors import ContainerError, IncompleteError, UnsupportedError

from .decoding import decompress_stream, to_file
from .names import salvaged_name
from .session import Options, Result, Session
from .streams import read_whole, write_bytes

if TYPE_CHECKING:
    from hpac_cli.container.salvage import Salvaged


def salvage(source: str, output: str | None, session: Session, *, fill: int) -> Result:
    """Decode whatever is undamaged of one .hpac file, and report what is lost.

    What is whole decodes as ever. Else lost samples get the value `fill`, and OUTPUT.lost.json lists
    them; if what lies around the samples is lost too, they become a plain .png, .tif or .npy.

    Raises:
        IncompleteError: the output is written, but samples or metadata are lost.
        HpacError: any other of errors.py; nothing is written under the final name then.
    """
    from hpac_cli.codec.kinds import KIND_NAMES
    from hpac_cli.codec.partial import decode_salvaged
    from hpac_cli.container.salvage import find_undamaged
    from hpac_cli.image import Image

    data = read_whole(source)
    with contextlib.suppress(ContainerError):
        return decompress_stream(io.BytesIO(data), source, output, session)
    options = session.options
    found = find_undamaged(data, options.limits)
    kind = KIND_NAMES[found.header.kind] if found.metadata is not None else ""
    target, wanted = salvaged_name(source, output, kind, os.fsdecode(found.header.suffix))
    beside = None if target is None else target.with_name(target.name + ".lost.json")
    for path in (target, beside):
        files.check_output(path, source=source, force=options.force)
    if not found.header.frames:
        if wanted != kind:
            raise UnsupportedError("the file was kept whole, so it cannot be converted; name no other kind with -o")
        return _salvage_whole(found, source, target, beside, options)
    session.check_duration(found.header.frames)
    with session.count("salvage", found.header.num_samples) as advance:
        threads = max(1, options.threads)
        frames, lost = decode_salvaged(found, fill, networks=session.networks, threads=threads, progress=advance)
    image = Image(frames, kind or "arrays", found.metadata or b"")
    out, _ = to_file(image, wanted)
    report = {
        "file": source,
        "output": str(target or files.STANDARD),
        "metadata_lost": found.metadata is None,
        "samples": image.num_samples,
        "samples_lost": sum(part.box.height * part.box.width * len(part.channels) for part in lost),
        "lost": [{"frame": p.frame, "channels": list(p.channels), **p.box._asdict()} for p in lost],
    }
    write_bytes(target, out, force=options.force)
    where = _write_report(beside, report, options)
    around = ", and all metadata" if found.metadata is None else ""
    raise IncompleteError(
        f"damaged: {report['samples_lost']:,} of {image.num_samples:,} samples are lost{around}; "
        f"the rest is in {target or 'standard output'}{where}"
    )


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
    report = {"file": source, "output": str(target or files.STANDARD), "bytes": at, "bytes_lost": lost}
    write_bytes(target, b"".join(parts), force=options.force)
    where = _write_report(beside, report, options)
    missing = sum(stop - start for start, stop in lost)
    raise IncompleteError(
        f"damaged: {missing:,} of {at:,} bytes are lost, and perhaps more behind them; "
        f"the rest is in {target or 'standard output'}{where}"
    )


def _write_report(beside: Path | None, report: dict[str, Any], options: Options) -> str:
    """Write what is lost to a file; return how a message says so."""
    if beside is None:
        return ""
    write_bytes(beside, (json.dumps(report, indent=1) + "\n").encode(), force=options.force)
    return f"; {beside} lists them"
