"""Where does an output go, and what kind of file is it?"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from hpac_cli import files
from hpac_cli.errors import UnsupportedError, UsageError
from hpac_cli.limits import DEFAULT_LIMITS, Limits

SUFFIX = ".hpac"


_NAMELESS = "standard input needs an output: -o FILE, or -o - for standard output"


def default_output(source: str) -> Path:
    """image.png becomes image.hpac beside it.

    Raises:
        UsageError: standard input has no name to derive one from.
    """
    if source == files.STANDARD:
        raise UsageError(_NAMELESS)
    return Path(source).with_suffix(SUFFIX)


def decoded_name(source: str, output: str | None, kind: str) -> tuple[Path | None, str]:
    """Where decoding writes, None for standard output, and which kind of file."""
    from hpac_cli import images

    suffix = images.SUFFIXES[kind]
    if output == files.STANDARD:
        return None, kind
    if output:
        path = Path(output)
        named = images.KINDS_BY_SUFFIX.get(path.suffix.lower(), kind)
        if named != kind and images.SUFFIXES.get(named) != suffix:
            if named not in images.CONVERTED:
                raise UnsupportedError(f"hpac writes no {path.suffix[1:]} files; it converts to png, tif and npy")
            return path, named
        return path, kind
    if source == files.STANDARD:
        raise UsageError(_NAMELESS)
    path = Path(source)
    stem = path.name.removesuffix(SUFFIX)
    if stem != path.name and images.KINDS_BY_SUFFIX.get(Path(stem).suffix.lower()) == kind:
        return path.with_name(stem), kind  # image.png.hpac
    return path.with_name(stem + suffix), kind


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


def salvaged_name(source: str, output: str | None, kind: str) -> tuple[Path | None, str]:
    """Where salvaged samples go: as their own kind, or plainly if what lay around them is lost."""
    if kind:
        return decoded_name(source, output, kind)
    if output and output != files.STANDARD:
        return converted_name(output)
    raise UsageError("what lay around the samples is lost too; name a plain .png, .tif or .npy file with -o")


def name_decoded(source: str, stream: BinaryIO, limits: Limits = DEFAULT_LIMITS) -> str:
    """Name the file that decoding an .hpac file gives, without its folder; only its header is read.

    Args:
        source: its path or URL.
        stream: what it holds.

    Raises:
        HpacError: any of errors.py.
    """
    from hpac_cli.codec.kinds import KIND_NAMES
    from hpac_cli.container.parse import Reader

    kind = KIND_NAMES[Reader(stream, limits).header.kind]
    target, _ = decoded_name(source, None, kind)
    return "" if target is None else target.name
