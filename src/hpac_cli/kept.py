"""Why samples of a file are not coded, but stay in it as they are, or the file is kept whole."""

from enum import IntEnum


class Kept(IntEnum):
    """Why samples of a file lie in its envelope as they stand in the file, or the file is kept whole.

    Numbers are written once, never reused.
    """

    NOTHING = 0
    """All samples are coded."""
    NO_SAMPLES = 1
    LOSSY = 2
    UNKNOWN = 3
    LAYOUT = 4
    DAMAGED = 5
    SHARED = 6
    DIFFERENT = 7
    FAX = 8
    DEFLATE = 9
    LZW = 10
    PACKBITS = 11
    RLE = 12
    JPEG = 13
    JPEG_LS = 14
    JPEG_2000 = 15
    LZMA = 16
    ZSTANDARD = 17
    BESIDE = 18
    NO_PICTURE = 19
    LARGER = 20

    @classmethod
    def _missing_(cls, value: object) -> "Kept":
        return cls.UNKNOWN  # a reason of a later version

    @property
    def why(self) -> str:
        """One plain phrase."""
        return _WHY[self]

    @property
    def can_transcode(self) -> bool:
        """Whether the samples can be decoded, so that a fresh file can hold them."""
        return Kept.DEFLATE <= self <= Kept.ZSTANDARD


_ODD = "its {} streams are not made the way this version knows"
_WHY = {
    Kept.NOTHING: "",
    Kept.NO_SAMPLES: "it holds no samples",
    Kept.LOSSY: "its samples are compressed with loss",
    Kept.UNKNOWN: "it is of a kind that this version does not know",
    Kept.LAYOUT: "its samples lie in a way that this version does not take",
    Kept.DAMAGED: "it is damaged or cut short",
    Kept.SHARED: "pages or frames share the bytes of their samples",
    Kept.DIFFERENT: "made again from its samples it would differ",
    Kept.FAX: "its samples are compressed as fax, which this version does not take",
    Kept.DEFLATE: _ODD.format("deflate"),
    Kept.LZW: _ODD.format("LZW"),
    Kept.PACKBITS: _ODD.format("PackBits"),
    Kept.RLE: _ODD.format("run length"),
    Kept.JPEG: _ODD.format("lossless JPEG"),
    Kept.JPEG_LS: _ODD.format("JPEG-LS"),
    Kept.JPEG_2000: "its samples are compressed by JPEG 2000, which this version does not make again",
    Kept.LZMA: "its samples are compressed by LZMA, which this version does not make again",
    Kept.ZSTANDARD: "its samples are compressed by Zstandard, which this version does not make again",
    Kept.BESIDE: "hardly any of it is samples",
    Kept.NO_PICTURE: "it is no picture that this version can read",
    Kept.LARGER: "its samples coded take more than the file",
}
