"""The options that several commands share, each described once."""

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from hpac_cli import api
from hpac_cli.errors import UsageError
from hpac_cli.files import STANDARD
from hpac_cli.limits import Limits

from .progress import Mode

if TYPE_CHECKING:
    from hpac_cli.image import RawSamples

Inputs = Annotated[
    list[str] | None,
    typer.Argument(metavar="[IN]...", help="Files, folders with -r, patterns in quotes, or - for standard input."),
]
Output = Annotated[
    str | None,
    typer.Option("-o", "--output", metavar="OUT", help="Output file, or - for standard output; for one input only."),
]
Stdout = Annotated[
    bool, typer.Option("-c", "--stdout", help="Write to standard output, as -o - does; for one input only.")
]
OutputDir = Annotated[
    str | None,
    typer.Option("--output-dir", metavar="DIR", help="Write below this folder, as the inputs lie in theirs."),
]
Series = Annotated[
    bool,
    typer.Option(
        "--series",
        help="Make one .hpac file of all files of a folder, or of those named: slices in order of place and time, others whole.",
    ),
]
Recursive = Annotated[
    bool, typer.Option("-r", "--recursive", help="Work on all files in folders; links in them are not followed.")
]
All = Annotated[
    bool,
    typer.Option(
        "--all", help="Keep every other file whole, so that what is made of a folder is complete; fail on none."
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "-v",
        "--verbose",
        help="Name each file that is done, on a terminal or not, and each that -r leaves out, and why.",
    ),
]
FilesFrom = Annotated[
    str | None,
    typer.Option(
        "--files-from", metavar="FILE", help="Read names of inputs from a file, one a line; - is standard input."
    ),
]
Null = Annotated[bool, typer.Option("-0", "--null", help="Names in --files-from end with a zero byte, not a line.")]
Jobs = Annotated[
    int,
    typer.Option("-j", "--jobs", min=0, metavar="N", help="Files to work on side by side; 0: as many as processors."),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Hand the files to a Dask cluster, as tcp://host:8786; it must be one you trust."
    ),
]
Skip = Annotated[
    bool, typer.Option("--skip-existing", help="Leave out inputs whose output exists, rather than fail on them.")
]
Remove = Annotated[
    bool,
    typer.Option(
        "--remove-source/--keep",
        "--rm/-k",
        help="Remove an input once its output is whole, on disk, and was verified, or keep it. [default: keep]",
        show_default=False,
    ),
]
KeepGoing = Annotated[
    bool, typer.Option("--keep-going/--fail-fast", help="Whether to go on after an input that failed.")
]
Force = Annotated[bool, typer.Option("-f", "--force", help="Overwrite outputs that exist.")]
Preserve = Annotated[
    bool, typer.Option("--preserve/--no-preserve", help="Give outputs the permissions and times of their inputs.")
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing but errors.")]
Threads = Annotated[int, typer.Option(min=0, help="Processors to use; 0: all. Never changes the result.")]
Backend = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Instruction set: avx512vnni, avxvnni, avx2, sse2, neondot, neon or plain. Never changes the result. "
        "[default: the fastest that is exact here]",
    ),
]
Tile = Annotated[
    int,
    typer.Option(
        min=0,
        max=1024,
        help="Tile side in pixels, even, 8 or more; smaller ones make parts faster to decode. 0: about 256.",
    ),
]


Keyframe = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=1,
        help="Frames that must be decoded to get one of many, at most; more make files smaller. 1: each stands alone.",
    ),
]


Effort = Annotated[
    int,
    typer.Option(
        "--effort",
        min=1,
        max=len(api.EFFORTS),
        metavar="N",
        help="1 to 9: higher makes files smaller, and takes longer; -1 to -9 say the same. The table is below.",
    ),
]


class Adapting(StrEnum):
    """How much weights are adapted to an image."""

    OFF = "off"
    BRIEF = "brief"
    FAST = "fast"
    FULL = "full"
    LONGEST = "longest"


class Device(StrEnum):
    """Where networks are trained."""

    CPU = "cpu"
    CUDA = "cuda"


Adapt = Annotated[
    Adapting | None,
    typer.Option(
        help="Train the weights on each image; what changes travels in the file. Smaller, slow to encode, not to decode. "
        "[default: as the effort says]"
    ),
]
TimeBudget = Annotated[
    float,
    typer.Option(
        "--time-budget",
        min=0,
        metavar="SECONDS",
        help="Encode each image in about so long: effort is lowered, and adapting ended, to fit; 0: no limit.",
    ),
]
Raw = Annotated[
    str | None,
    typer.Option(
        "--raw",
        metavar="WxHxCxBITS",
        help="Inputs are samples without a header, as 512x512x1x16: width, height, channels, and 8, 16, 32 or 64 bits; "
        "then be for big endian; before the bits i for signed, f for float: 512x512x1xi16be. Several frames may follow.",
    ),
]
Transcode = Annotated[
    bool,
    typer.Option(
        "--transcode",
        help="Where a file's compression cannot be made again, give back a fresh file of equal samples and metadata, "
        "rather than keep the file whole.",
    ),
]
NoVerify = Annotated[bool, typer.Option("--no-verify", help="Do not decode and compare before the file gets its name.")]
MaxPixels = Annotated[
    int, typer.Option(min=0, metavar="N", help="Refuse files of more pixels, all frames together; 0: 179 million.")
]
MaxMemory = Annotated[
    int,
    typer.Option(min=0, metavar="MB", help="Refuse files that could need more memory than this; 0: 1 GB of samples."),
]
MaxSeconds = Annotated[
    float,
    typer.Option(
        "--max-seconds",
        min=0,
        metavar="SECONDS",
        help="Refuse files that would take longer, by an estimate before it begins; 0: none.",
    ),
]
Progress = Annotated[
    Mode,
    typer.Option(
        "--progress",
        help="How far files are, on standard error: bars where that is a terminal (auto), lines of text every five "
        "seconds, lines of JSON, or none.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per file on standard output.")]


@dataclass(frozen=True)
class Choice:
    """Which files are worked on, and what is said of them."""

    names: list[str] | None
    recursive: bool = False
    files_from: str | None = None
    null: bool = False
    output: str | None = None
    output_dir: str | None = None
    jobs: int = 0
    keep_going: bool = True
    quiet: bool = False
    json: bool = False
    scheduler: str | None = None
    verbose: bool = False
    progress: Mode = Mode.AUTO
    series: bool = False


def parse_output(output: str | None, stdout: bool) -> str | None:
    """The one output: a name, "-", or None if the user named none.

    Raises:
        BadParameter: two were given.
    """
    if stdout and output not in (None, STANDARD):
        raise typer.BadParameter("cannot be combined with -o", param_hint="-c")
    return STANDARD if stdout else output


def parse_limits(max_pixels: int, max_memory: int) -> Limits:
    """Bounds from what the user gave.

    Raises:
        BadParameter: nothing could be done within them.
    """
    try:
        return Limits.within(pixels=max_pixels, memory_bytes=max_memory << 20)
    except UsageError as error:
        raise typer.BadParameter(str(error)) from error


def parse_raw(text: str | None, *, series: bool) -> "RawSamples | None":
    """How samples lie, or None if there is no text.

    Raises:
        BadParameter: it is something else, or is said of the files of a series.
    """
    if text is None:
        return None
    if series:
        raise typer.BadParameter("cannot be combined with --series", param_hint="--raw")
    from hpac_cli.image import RawSamples

    match = re.fullmatch(r"([1-9]\d{0,8})x([1-9]\d{0,8})x([1-9]\d{0,4})x([uif]?)(8|16|32|64)(le|be)?", text)
    if not match or (match[4], match[5]) == ("f", "8"):
        raise typer.BadParameter("is WxHxCxBITS, as 512x512x1x16 or 640x480x3xi16be", param_hint="--raw")
    width, height, channels = (int(match[number]) for number in (1, 2, 3))
    return RawSamples(width, height, channels, int(match[5]), match[4] or "u", match[6] != "be")


def parse_region(text: str | None) -> api.Region | None:
    """Four numbers, or None if there is no text.

    Raises:
        BadParameter: it is something else.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d+),(\d+),(\d+),(\d+)", text)
    if not match:
        raise typer.BadParameter("is X,Y,W,H: four whole numbers of pixels", param_hint="--region")
    x, y, width, height = map(int, match.groups())
    return x, y, width, height


def parse_efforts(text: str) -> list[int]:
    """Levels with commas between them.

    Raises:
        BadParameter: it is something else.
    """
    if not re.fullmatch(r"[1-9](,[1-9])*", text):
        raise typer.BadParameter("is N or N,N,...: numbers from 1 to 9", param_hint="--effort")
    return [int(level) for level in dict.fromkeys(text.split(","))]


def count_processors(wanted: int) -> int:
    """As many as wanted, or all that this process may use."""
    if wanted:
        return wanted
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
