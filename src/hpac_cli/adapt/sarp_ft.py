"""Spatially-Aware Rate-guided Progressive Fine-Tuning of the weights to one image.

One pass with the weights as shipped tells how dense each tile is. Training begins on a connected region
around the densest and grows in stages to the whole image; what is made smaller is the image's code length
plus the adapter's, with every number rounded. The integer network has the last word: the best stage is
kept, and only if the image with it takes fewer bytes.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hpac_cli.codec.adapters import pack_adapter
from hpac_cli.codec.networks import Networks
from hpac_cli.codec.workers import team
from hpac_cli.container.fields import Adapted, Frame
from hpac_cli.errors import ContainerError
from hpac_cli.image import Samples

from .efforts import BATCH, CROP, LEARNING_RATE, PASSES, Effort, choose_rank
from .material import Material, Place
from .regions import grow_regions
from .trainable import TrainableAdapter

Report = Callable[[str, int, int], None]
"""Called with what is being done, updates done, and updates in all."""

_LEAST_BYTES = 2000
"""What takes fewer is not worth an adapter."""
_TASTED = 12
"""Tiles by which stages are compared."""
_CHUNK_BYTES = 15
"""What an adapter's chunk takes beside its numbers."""
_SEED = 1


class _Gradient(NamedTuple):
    """A job: how do the adapter's numbers change the code length of one crop?"""

    numbers: NDArray[np.float32]
    place: Place
    y: float
    x: float


class _Measure(NamedTuple):
    """A job: how many bytes does a tile take, as shipped (None) or adapted?"""

    adapted: Adapted | None
    place: Place


@dataclass
class _Stage:
    """What training has come to."""

    adapted: Adapted
    cost: float
    """Bytes of the tiles that were tasted, and of the adapter in proportion."""


def adapt(
    images: Sequence[Samples],
    frames: tuple[Frame, ...],
    *,
    networks: Networks,
    effort: Effort,
    seconds: float,
    workers: int,
    report: Report,
) -> tuple[tuple[Frame, ...], tuple[Adapted, ...]]:
    """Adapt the weights that frames use to their samples.

    The result depends on the machine, for training is in floats, but neither on the number of workers nor,
    unless the time runs out, on speed.

    Args:
        images: (H, W, C) samples of each frame.
        frames: how they are to be coded.
        seconds: after which training ends; 0 for no such limit.
        workers: processes to train and measure with.

    Returns:
        Frames that name adapted weights where these pay, and the adapters.
    """
    deadline = time.monotonic() + seconds if seconds else math.inf
    adapters = []
    for digest in sorted({part.weights_digest for frame in frames for part in frame.parts if part.weights_digest}):
        material = Material(images, frames, digest)
        search = _Search(material, networks, effort, deadline, report)
        adapted = search.run(workers)
        if adapted is not None:
            adapters.append(adapted)
            frames = _rename(frames, digest, networks.merged(adapted).digest())
    return frames, tuple(adapters)


def _rename(frames: tuple[Frame, ...], old: bytes, new: bytes) -> tuple[Frame, ...]:
    return tuple(
        replace(f, parts=tuple(replace(p, weights_digest=new) if p.weights_digest == old else p for p in f.parts))
        for f in frames
    )


class _Search:
    """Looks for the adapter that makes one set of weights' share of an image smallest."""

    def __init__(self, material: Material, networks: Networks, effort: Effort, deadline: float, report: Report) -> None:
        self.material, self.networks, self.effort = material, networks, effort
        self.deadline, self.report = deadline, report
        pixels = sum(place.box.height * place.box.width for place in material.places)
        self.updates = min(effort.updates, -(-PASSES * pixels // (BATCH * CROP**2)))

    def run(self, workers: int) -> Adapted | None:
        """Train, and return the adapter if it pays."""
        if torch.cuda.is_available():
            workers = 1  # neither CUDA nor autograd beside it outlives a fork
        with team(self._measure, workers=workers, advance=lambda _: None) as do:
            plain = self._count(do, None, self.material.places)
        if sum(plain) < _LEAST_BYTES:
            return None
        weights = self.networks.by_digest(self.material.digest).weights
        self.adapter = TrainableAdapter(weights, choose_rank(self.effort, sum(plain)), self.networks.device, _SEED)
        with team(self._work, workers=workers, advance=lambda _: None) as do:
            best = min(self._train(do, plain), key=lambda stage: stage.cost, default=None)
            if best is None:
                return None
            adapted = self._count(do, best.adapted, self.material.places)
        gain = sum(plain) - sum(adapted) - len(best.adapted.change) - _CHUNK_BYTES
        self.report(f"adapt: {gain / sum(plain):.1%} saved", self.updates, self.updates)
        return best.adapted if gain > 0 else None

    def _train(self, do: Callable[[Any], Iterator[Any]], plain: list[int]) -> Iterator[_Stage]:
        """Make all updates; yield what each stage came to."""
        places, effort = self.material.places, self.effort
        tasted = places[:: -(-len(places) // _TASTED)]
        plain_tasted = sum(plain[:: -(-len(places) // _TASTED)])
        density = [size / (p.box.height * p.box.width) for size, p in zip(plain, places, strict=True)]
        regions = grow_regions(places, density, effort.shares)
        rng = np.random.default_rng(_SEED)
        numbers = self.adapter.start.clone().requires_grad_()
        optimiser = torch.optim.Adam([numbers], LEARNING_RATE, betas=(0.9, 0.99))
        began, update, note = time.monotonic(), 0, ""
        for stage, (region, end) in enumerate(zip(regions, effort.ends, strict=True), 1):
            areas = np.array([places[i].box.height * places[i].box.width for i in region], float)
            while (done := self._done(update, began)) < end:
                self.report(f"adapt: stage {stage} of {len(regions)}{note}", int(done * self.updates), self.updates)
                for group in optimiser.param_groups:
                    group["lr"] = LEARNING_RATE * min(1.0, (update + 1) / 10) * 0.5 * (1 + math.cos(math.pi * done))
                sent = numbers.detach().cpu().numpy().copy()
                drawn = rng.choice(region, BATCH, p=areas / areas.sum())
                jobs = [_Gradient(sent, places[i], *rng.random(2)) for i in drawn]
                gradient = torch.from_numpy(np.mean(list(do(jobs)), axis=0)).to(numbers)
                (of_rate,) = torch.autograd.grad(self.adapter.rate(numbers), numbers)
                numbers.grad = gradient + of_rate / self.material.num_samples
                torch.nn.utils.clip_grad_norm_(numbers, 1.0)
                optimiser.step()
                update += 1
            adapted = Adapted(self.material.digest, pack_adapter(self.adapter.to_adapter(numbers)))
            try:
                self.networks.merged(adapted)
            except ContainerError:  # a layer could overflow, which a later stage may mend
                continue
            size = len(adapted.change) * plain_tasted / sum(plain)
            cost = sum(self._count(do, adapted, tasted)) + size
            note = f", {1 - cost / plain_tasted:.1%} saved"
            yield _Stage(adapted, cost)

    def _done(self, update: int, began: float) -> float:
        """Share of the training that is done, by updates or by time."""
        now = time.monotonic()
        by_time = 1.0 if now >= self.deadline else (now - began) / (self.deadline - began)
        return max(update / self.updates, by_time)

    def _count(self, do: Callable[[Any], Iterator[Any]], adapted: Adapted | None, places: Sequence[Place]) -> list[int]:
        return list(do(_Measure(adapted, place) for place in places))

    def _work(self, job: _Gradient | _Measure, advance: Callable[[int], None]) -> NDArray[np.float32] | int:
        """Done by a worker."""
        if isinstance(job, _Measure):
            return self._measure(job, advance)
        numbers = torch.from_numpy(job.numbers).to(self.adapter.device).requires_grad_()
        planes, bit_depth = self.material.crop(job.place, job.y, job.x, CROP)
        bits = self.adapter.code_length(numbers, planes.to(self.adapter.device), bit_depth)
        (gradient,) = torch.autograd.grad(bits.mean(), numbers)
        found: NDArray[np.float32] = gradient.cpu().numpy()
        return found

    def _measure(self, job: _Measure, _advance: Callable[[int], None]) -> int:
        if job.adapted is None:
            return self.material.measure(job.place, self.networks, self.material.digest)
        networks = self.networks.adapted([job.adapted])
        return self.material.measure(job.place, networks, networks.merged(job.adapted).digest())
