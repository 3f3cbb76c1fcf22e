"""hpac and its peers, each as a function from samples to bytes and one back.

hpac has the threads of its session; the others have one, whatever their libraries would take.
"""

import io
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from hpac_cli import api
from hpac_cli.image import Samples
from hpac_cli.images.npy import from_array


class Codec(NamedTuple):
    """A way to turn samples (H, W, C) into bytes and back."""

    encode: Callable[[Samples], bytes]
    decode: Callable[[bytes], Samples]
    takes: Callable[[Samples], bool]
    """Whether it codes samples of this type and shape."""


def is_ours(codec: str) -> bool:
    """Whether a codec of this name is hpac."""
    return codec.startswith("hpac-")


def make_codecs(sessions: Sequence[api.Session], jxl_efforts: Sequence[int]) -> dict[str, Codec]:
    """List hpac in the ways of its sessions, and the peers that are installed; JPEG XL once for each effort."""
    codecs = {_name(session.options): _hpac(session) for session in sessions}
    codecs["png"] = _pillow("png", lambda a: _fits(a, 2) and (a.dtype == np.uint8 or a.shape[2] == 1), optimize=True)
    codecs["webp"] = _pillow("webp", lambda a: _fits(a, 1), lossless=True, quality=100, method=6, exact=True)
    try:
        import imagecodecs
    except ImportError:
        return codecs
    for effort in jxl_efforts:
        codecs[f"jxl-e{effort}"] = Codec(
            lambda a, e=effort: bytes(imagecodecs.jpegxl_encode(_flat(a), lossless=True, effort=e, numthreads=1)),  # type: ignore[misc]
            lambda d: imagecodecs.jpegxl_decode(d, numthreads=1),
            lambda a: _fits(a, 2),
        )
    codecs["jpeg-ls"] = Codec(
        lambda a: bytes(imagecodecs.jpegls_encode(_flat(a))),
        imagecodecs.jpegls_decode,
        lambda a: _fits(a, 2) and a.shape[2] in (1, 3) and min(a.shape[:2]) > 1,
    )
    codecs["jpeg2000"] = Codec(
        lambda a: bytes(imagecodecs.jpeg2k_encode(_flat(a), level=0, reversible=True, numthreads=1)),
        lambda d: imagecodecs.jpeg2k_decode(d, numthreads=1),
        lambda a: _fits(a, 2),
    )
    if getattr(imagecodecs, "AVIF", None) is not None and imagecodecs.AVIF.available:
        codecs["avif"] = Codec(
            lambda a: bytes(imagecodecs.avif_encode(_flat(a), level=100, speed=4, numthreads=1)),
            lambda d: imagecodecs.avif_decode(d, numthreads=1),
            lambda a: a.dtype == np.uint8 and a.shape[2] in (1, 3, 4),
        )
    return codecs


def _name(options: api.Options) -> str:
    return f"hpac-{options.effort}" + (f"-{options.adapt}" if options.adapt else "")


def _fits(samples: Samples, size: int) -> bool:
    return samples.dtype.kind == "u" and samples.dtype.itemsize <= size and samples.shape[2] <= 4


def _flat(samples: Samples) -> Samples:
    return np.ascontiguousarray(samples[..., 0] if samples.shape[2] == 1 else samples)


def _hpac(session: api.Session) -> Codec:
    return Codec(lambda a: _hpac_encode(a, session), lambda d: _hpac_decode(d, session), lambda _: True)


def _hpac_encode(samples: Samples, session: api.Session) -> bytes:
    stream = io.BytesIO()
    session.encode(from_array(samples), stream)
    return stream.getvalue()


def _hpac_decode(data: bytes, session: api.Session) -> Samples:
    return session.decode(session.open(io.BytesIO(data))).frames[0]


def _pillow(name: str, takes: Callable[[Samples], bool], **options: Any) -> Codec:
    from PIL import Image as PillowImage

    def encode(samples: Samples) -> bytes:
        file = io.BytesIO()
        PillowImage.fromarray(_flat(samples)).save(file, name, **options)
        return file.getvalue()

    def decode(data: bytes) -> Samples:
        picture = PillowImage.open(io.BytesIO(data))
        return np.asarray(picture)

    return Codec(encode, decode, takes)
