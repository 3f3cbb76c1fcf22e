"""Where an output goes, and what kind of file it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from hpac_cli import files
from hpac_cli.errors import UnsupportedError, UsageError

SUFFIX = ".hpac"


def default_output(source: str) -> Path | None:
    """image.png becomes image.png.hpac beside it, and standard input goes to standard output: None."""
    return None if source == files.STANDARD else Path(source + SUFFIX)


def suffix_of(source: str, kind: str) -> str:
    """What an .hpac file remembers of its source's name; of standard input, what such files are usually called."""
    from hpac_cli import images
    from hpac_cli.container.fields import SUFFIX_BYTES

    if source == files.STANDARD:
        return images.SUFFIXES[kind]
    suffix = os.path.splitext(os.path.basename(source))[1]
    return suffix if SUFFIX_BYTES.fullmatch(os.fsencode(suffix)) else ""


def decoded_name(source: str, output: str | None, kind: str, own_suffix: str) -> tuple[Path | None, str]:
    """Where decoding writes, None for standard output, and which kind of file.

    Args:
        own_suffix: of the file that was encoded; it ends the name if what is left without .hpac lacks it.

    Raises:
        UsageError: the source's name leaves none for the output.
        UnsupportedError: no file becomes what the output's name says.
    """
    from hpac_cli import images

    suffix = images.SUFFIXES[kind]
    if output == files.STANDARD or (source == files.STANDARD and not output):
        return None, kind
    if output:
        path = Path(output)
        if kind == "file" and path.suffix.lower() == own_suffix.lower():
            return path, kind
        named = images.KINDS_BY_SUFFIX.get(path.suffix.lower(), kind)
        if named != kind and images.SUFFIXES.get(named) != suffix:
            if named not in images.CONVERTED:
                raise UnsupportedError(f"hpac writes no {path.suffix[1:]} files; it converts to png, tif and npy")
            return path, named
        return path, kind
    path = Path(source)
    name = path.name.removesuffix(SUFFIX)
    if kind in images.ARRAYS:
        own_suffix = suffix
    if not name.lower().endswith(own_suffix.lower()):
        name += own_suffix
    if not name:
        raise UsageError("its name leaves none for the output; give one with -o")
    return path.with_name(name), kind


def converted_name(output: str) -> tuple[Path | None, str]:
    """Where samples alone go, and which kind of file that is.

    Raises:
        UsageError: a kind that cannot hold any samples.
    """
    from hpac_cli import images

    kind = images.KINDS_BY_SUFFIX.get(Path(output).suffix.lower(), "none")
    if kind not in images.CONVERTED:
        raise UsageError("a part of a picture becomes a .png, .tif or .npy file; name one with -o")
    return Path(output), kind


def salvaged_name(source: str, output: str | None, kind: str, own_suffix: str) -> tuple[Path | None, str]:
    """Where salvaged samples go: as their own kind, or plainly if what lay around them is lost.

    Raises:
        UsageError: no name says where, or as which kind.
        UnsupportedError: no file becomes what the output's name says.
    """
    if kind:
        return decoded_name(source, output, kind, own_suffix)
    if output and output != files.STANDARD:
        return converted_name(output)
    raise UsageError("what lay around the samples is lost too; name a plain .png, .tif or .npy file with -o")


def list_decoded(source: str, stream: BinaryIO) -> list[str]:
    """Name the file that decoding an .hpac file gives, or the folder of a series and then the files in it.

    Only the header is read, and the table of a series.

    Args:
        source: its path or URL.
        stream: what it holds.

    Returns:
        Names without the folder of the source.

    Raises:
        HpacError: any of errors.py.
    """
    from hpac_cli.codec.kinds import KIND_NAMES
    from hpac_cli.container.parse import peek

    kind, suffix, members = peek(stream)
    target, _ = decoded_name(source, None, KIND_NAMES[kind], os.fsdecode(suffix))
    name = "" if target is None else target.name
    return [name, *(f"{name}/{os.fsdecode(member)}" for member in members)]
