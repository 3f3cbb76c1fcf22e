"""What can be had of a damaged .hpac file?"""

from __future__ import annotations

import contextlib
import io
import json
import os

from hpac_cli import files
from hpac_cli.errors import ContainerError, IncompleteError

from .decoding import decompress_stream, to_file
from .names import salvaged_name
from .session import Result, Session
from .streams import read_whole, write_bytes


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
        "samples_lost": sum(part.box.height * part.box.width * (part.channels[1] - part.channels[0]) for part in lost),
        "lost": [{"frame": p.frame, "channels": list(range(*p.channels)), **p.box._asdict()} for p in lost],
    }
    write_bytes(target, out, force=options.force)
    text = json.dumps(report, indent=1) + "\n"
    where = ""
    if beside is not None:
        write_bytes(beside, text.encode(), force=options.force)
        where = f"; {beside} lists them"
    around = ", and all metadata" if found.metadata is None else ""
    raise IncompleteError(
        f"damaged: {report['samples_lost']:,} of {image.num_samples:,} samples are lost{around}; "
        f"the rest is in {target or 'standard output'}{where}"
    )
