"""Spatially-Aware Rate-guided Progressive Fine-Tuning of the weights to one image.

One pass with the weights as shipped tells how dense each tile is. Training begins on a connected region
around the densest and grows in stages to the whole image; what is made smaller is the image's code length
plus the adapter's, with every number rounded. The integer network has the last word: the best stage is
kept, and only if the image with it takes fewer bytes.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hpac_cli.codec.adapters import pack_adapter
from hpac_cli.codec.networks import Networks
from hpac_cli.codec.threads import spread
from hpac_cli.container.fields import Adapted, Frame
from hpac_cli.errors import ContainerError
from hpac_cli.image import Samples
from hpac_cli.training.memory import keep_memory

from .material import Material, Place
from .processes import team
from .regions import grow_regions
from .schedules import BATCH, CROP, Schedule, choose_rank, count_updates, learning_rate
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


class _Stage(NamedTuple):
    """What training has come to."""

    adapted: Adapted
    digest: bytes
    """Of the merged weights."""
    cost: float
    """Bytes of all tiles, estimated from those that were tasted, and of the adapter."""


def adapt(
    images: Sequence[Samples],
    frames: tuple[Frame, ...],
    *,
    networks: Networks,
    schedule: Schedule,
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
        seconds: after which training ends; 0 for no such limit. Where frames use several sets of weights, each may take
            what is left in proportion to its samples.
        workers: processes to train with, and threads to measure with.

    Returns:
        Frames that name adapted weights where these pay, and the adapters.
    """
    keep_memory()
    end = time.monotonic() + seconds if seconds else math.inf
    digests = sorted({part.weights_digest for frame in frames for part in frame.parts if part.weights_digest})
    materials = [Material(images, frames, digest) for digest in digests]
    adapters = []
    for number, material in enumerate(materials):
        left = sum(later.num_samples for later in materials[number:])
        now = time.monotonic()
        deadline = now + (end - now) * material.num_samples / left
        best = _Search(material, networks, schedule, deadline, workers, report).run()
        if best is not None:
            adapters.append(best.adapted)
            frames = _rename(frames, material.digest, best.digest)
    return frames, tuple(adapters)


def _rename(frames: tuple[Frame, ...], old: bytes, new: bytes) -> tuple[Frame, ...]:
    return tuple(
        replace(f, parts=tuple(replace(p, weights_digest=new) if p.weights_digest == old else p for p in f.parts))
        for f in frames
    )


class _Search:
    """Looks for the adapter that makes one set of weights' share of an image smallest."""

    def __init__(
        self, material: Material, networks: Networks, schedule: Schedule, deadline: float, workers: int, report: Report
    ) -> None:
        self.material, self.networks, self.schedule = material, networks, schedule
        self.deadline, self.report = deadline, report
        # neither CUDA nor autograd beside it outlives a fork
        self.workers = 1 if torch.cuda.is_available() else workers
        pixels = sum(place.box.height * place.box.width for place in material.places)
        self.updates = count_updates(schedule, pixels)

    def run(self) -> _Stage | None:
        """Train, and return the best stage if it pays."""
        places, digest = self.material.places, self.material.digest
        plain = self._count(self.networks, digest, places)
        if sum(plain) < _LEAST_BYTES:
            return None
        weights = self.networks.by_digest(digest).weights
        rank, biases = choose_rank(self.schedule, sum(plain)), self.schedule.biases
        adapter = TrainableAdapter(weights, rank, torch.device("cpu"), _SEED, biases=biases)
        best = min(self._train(adapter, plain), key=lambda stage: stage.cost, default=None)
        if best is None:
            return None
        adapted = self._count(self.networks.adapted([best.adapted]), best.digest, places)
        gain = sum(plain) - sum(adapted) - len(best.adapted.change) - _CHUNK_BYTES
        self.report(f"adapt: {gain / sum(plain):.1%} saved", self.updates, self.updates)
        return best if gain > 0 else None

    def _train(self, adapter: TrainableAdapter, plain: list[int]) -> Iterator[_Stage]:
        """Make all updates; yield what each stage came to."""
        places, schedule = self.material.places, self.schedule
        density = [size / (p.box.height * p.box.width) for size, p in zip(plain, places, strict=True)]
        regions = grow_regions(places, density, schedule.shares)
        rng = np.random.default_rng(_SEED)
        numbers = adapter.start.clone().requires_grad_()
        rate = learning_rate(schedule, self.networks.by_digest(self.material.digest).weights.shape)
        optimiser = torch.optim.Adam([numbers], rate, betas=(0.9, 0.99))
        began, update, note = time.monotonic(), 0, ""

        def work(job: _Gradient) -> NDArray[np.float32]:
            return adapter.gradient(job.numbers, self.material.crop(job.place, job.y, job.x, CROP))

        with team(work, workers=self.workers) as do:
            for number, (region, end) in enumerate(zip(regions, schedule.ends, strict=True), 1):
                areas = np.array([places[i].box.height * places[i].box.width for i in region], float)
                while (done := self._done(update, began)) < end:
                    self.report(
                        f"adapt: stage {number} of {len(regions)}{note}", int(done * self.updates), self.updates
                    )
                    for group in optimiser.param_groups:
                        group["lr"] = rate * min(1.0, (update + 1) / 10) * 0.5 * (1 + math.cos(math.pi * done))
                    sent = numbers.detach().cpu().numpy().copy()
                    drawn = rng.choice(region, BATCH, p=areas / areas.sum())
                    jobs = [_Gradient(sent, places[i], *rng.random(2)) for i in drawn]
                    gradient = torch.from_numpy(np.mean(list(do(jobs)), axis=0)).to(numbers)
                    (of_rate,) = torch.autograd.grad(adapter.rate(numbers), numbers)
                    numbers.grad = gradient + of_rate / self.material.num_samples
                    torch.nn.utils.clip_grad_norm_(numbers, 1.0)
                    optimiser.step()
                    update += 1
                stage = self._taste(Adapted(self.material.digest, pack_adapter(adapter.to_adapter(numbers))), plain)
                if stage is not None:
                    note = f", {1 - stage.cost / sum(plain):.1%} saved"
                    yield stage

    def _taste(self, adapted: Adapted, plain: list[int]) -> _Stage | None:
        """Estimate by some tiles what a stage came to; None if a layer could overflow, which a later one may mend."""
        try:
            digest = self.networks.merged(adapted).digest()
        except ContainerError:
            return None
        step = -(-len(plain) // _TASTED)
        sizes = self._count(self.networks.adapted([adapted]), digest, self.material.places[::step])
        return _Stage(adapted, digest, sum(sizes) / sum(plain[::step]) * sum(plain) + len(adapted.change))

    def _done(self, update: int, began: float) -> float:
        """Share of the training that is done, by updates or by time."""
        now = time.monotonic()
        by_time = 1.0 if now >= self.deadline else (now - began) / (self.deadline - began)
        return max(update / self.updates, by_time)

    def _count(self, networks: Networks, digest: bytes, places: Sequence[Place]) -> list[int]:
        """Bytes that tiles take with the weights of a digest."""

        def work(place: Place) -> int:
            return self.material.measure(place, networks, digest)

        return list(spread(work, places, threads=self.workers))
