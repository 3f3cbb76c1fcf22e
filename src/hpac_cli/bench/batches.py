"""How fast a codec is where the images of a folder are coded side by side, each with one thread."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from hpac_cli.batch.pool import Pool

from .codecs import Codec
from .measure import Measured, Picture, Row

_BATCH_SECONDS = 0.5
"""A batch is gone through again and again for about so long, so that starting processes is no part of the figures."""
_MAX_ROUNDS = 100
_BATCH_BYTES = 512 << 20
"""Samples of one batch, which lie in memory all together; larger folders are more than one."""


class _Span(NamedTuple):
    """When a process had an image in hand, on a clock that all processes share."""

    image: int
    start: float
    end: float


def gather(pictures: Iterable[Picture]) -> Iterator[list[Picture]]:
    """Put pictures that follow each other in one folder together, as many as fit into memory."""
    batch: list[Picture] = []
    size = 0
    for picture in pictures:
        if batch and (picture.folder != batch[0].folder or size + picture.samples.nbytes > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(picture)
        size += picture.samples.nbytes
    if batch:
        yield batch


def time_batch(codec: Codec, measured: Sequence[Measured], workers: int) -> list[Row]:
    """Time one codec on several images side by side.

    Args:
        codec: with one thread.
        measured: these images, as the same codec coded them alone.
        workers: images at once, each in a process of its own.

    Returns:
        Their rows with the batch's figures; without where a process was killed.
    """
    rows = [one.row for one in measured]
    encode = _share(lambda i: codec.encode(measured[i].picture.samples), [r.encode_seconds for r in rows], workers)
    decode = _share(lambda i: codec.decode(measured[i].data), [r.decode_seconds for r in rows], workers)
    if encode is None or decode is None:
        return rows
    return [
        row._replace(batch_encode_seconds=e, batch_decode_seconds=d)
        for row, e, d in zip(rows, encode, decode, strict=True)
    ]


def _share(work: Callable[[int], object], alone: Sequence[float], workers: int) -> list[float] | None:
    """Seconds of the batch that fall to each image, which add up to what the batch took; None if a process was killed.

    Args:
        work: on the image of that number.
        alone: seconds that each image took by itself.
    """
    enough = -(-workers // len(alone))  # no processor may be idle, or slow codecs look slower than quick ones
    rounds = max(enough, min(_MAX_ROUNDS, int(_BATCH_SECONDS * workers / max(sum(alone), 1e-9))))

    def timed(image: int) -> _Span | None:
        start = time.perf_counter()
        work(image)
        return _Span(image, start, time.perf_counter())

    pool: Pool[int, _Span | None] = Pool(timed, lambda _image: None, workers)
    spans = list(pool.run([*range(len(alone))] * rounds))
    known = [span for span in spans if span is not None]
    if len(known) < len(spans):
        return None
    took = max(span.end for span in known) - min(span.start for span in known)
    own = [sum(span.end - span.start for span in known if span.image == image) for image in range(len(alone))]
    return [took / rounds * seconds / sum(own) for seconds in own]
