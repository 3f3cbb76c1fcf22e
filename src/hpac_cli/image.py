"""An image: samples, and all that its file needs to come back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from .kept import Kept

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[Any]
    """(H, W, C) of an unsigned, signed or float type, little endian or native."""
else:
    Samples = Any  # nothing here loads numpy before it compares samples, so that `hpac info` stays quick

_BAND_BYTES = 1 << 20


@dataclass(frozen=True, eq=False)
class Image:
    """An image file as the codec sees it."""

    frames: tuple[Samples, ...]
    """Frames or pages, each (H, W, C); none where a file holds no samples that can be coded."""
    kind: str
    """Where it came from: a key of images.SUFFIXES."""
    envelope: bytes = b""
    """What that kind of file needs beside the samples; opaque to the codec."""
    file_hash: bytes = b""
    """SHA-256, or the beginning of it, of the source file; empty for arrays."""
    identical: bool = False
    """Whether that file is the source, byte for byte."""
    order: tuple[int, ...] = ()
    """A sensible order of the samples' values where they are names rather than amounts (palettes)."""
    suffix: str = ""
    """Of the source file's name, with its dot; empty if it had none."""
    kept: Kept = Kept.NOTHING
    """Why samples of the file lie in the envelope, or why the file is kept whole, as are those without frames."""
    made_hash: bytes = b""
    """SHA-256 of the file that images.write gives; known only of an image that was read from its source."""
    whole: BinaryIO | None = None
    """Where there are no frames, the file itself: a stream that seeks, so that large files need not be in memory."""
    members: tuple["Member", ...] = ()
    """The files of a series: their frames and envelopes, one after another, are the frames and the envelope of this image."""

    @property
    def num_samples(self) -> int:
        """Samples of all frames."""
        return sum(frame.size for frame in self.frames)

    @property
    def pictures(self) -> tuple["Image", ...]:
        """The images of a series, or this one alone."""
        return tuple(member.image for member in self.members) or (self,)

    @property
    def fidelity(self) -> str:
        """What decoding gives: "bytes", or "samples+metadata"."""
        return "bytes" if self.identical else "samples+metadata"


@dataclass(frozen=True)
class RawSamples:
    """How samples lie in a file that does not say so: frame by frame, row by row, channels interleaved."""

    width: int
    height: int
    channels: int
    bits: int
    """Of a sample: 8, 16, 32 or 64."""
    kind: str = "u"
    """u, i or f: unsigned, signed, float."""
    little: bool = True
    """Bytes of a sample come low ones first."""

    @property
    def frame_bytes(self) -> int:
        """Of one frame."""
        return self.width * self.height * self.channels * self.bits // 8


class Member(NamedTuple):
    """One file of a series."""

    name: str
    """Its path below the series' folder, parts separated by slashes."""
    image: Image


def join(members: Sequence[Member]) -> Image:
    """Put the images of files one after another, in this order; no samples are copied."""
    images = [member.image for member in members]
    frames = tuple(frame for image in images for frame in image.frames)
    envelope = b"".join(image.envelope for image in images)
    identical = all(image.identical for image in images)
    return Image(frames, "series", envelope, identical=identical, members=tuple(members))


def keep_whole(file: BinaryIO, kind: str, kept: Kept, file_hash: bytes = b"") -> Image:
    """Take a file as it is.

    Args:
        file: seeks; it stays in use.
        kind: a key of images.SUFFIXES.
        kept: why.
        file_hash: SHA-256 of it, if that is known.
    """
    return Image((), kind, file_hash=file_hash, made_hash=file_hash, identical=True, kept=kept, whole=file)


def same_frames(ours: tuple[Samples, ...], others: tuple[Samples, ...]) -> bool:
    """Whether frames are equal bit for bit: NaN payloads and signs of zero too."""
    import numpy as np

    return len(ours) == len(others) and all(
        a.dtype == b.dtype
        and a.shape == b.shape
        and all(np.array_equal(_bytes_of(a[rows]), _bytes_of(b[rows])) for rows in _bands(a))  # no copy of all
        for a, b in zip(ours, others, strict=True)
    )


def _bands(samples: Samples) -> Iterator[slice]:
    """Rows that are looked at at once: few of a wide frame, many of a narrow one."""
    rows = max(1, _BAND_BYTES // max(1, samples[:1].nbytes))
    return (slice(top, top + rows) for top in range(0, len(samples), rows))


def _bytes_of(samples: Samples) -> "NDArray[np.uint8]":
    import numpy as np

    return np.ascontiguousarray(samples).view(np.uint8)


def kind_of_sample(dtype: "np.dtype[Any]") -> str:
    """Name a sample type as the container does: u1, i2, f4 and so on."""
    return f"{dtype.kind}{dtype.itemsize}"
