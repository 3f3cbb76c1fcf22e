"""The training of one network: many small updates, resumable, stopped by time."""

import copy
import csv
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hpac_cli.errors import ModelError
from hpac_cli.model.layers import CONTEXT_ROLES, layer_table

from .augment import Samples, age, depth_of
from .code_length import code_length
from .config import Config
from .data import Source, read_sources
from .inputs import References, all_present
from .launch import launcher
from .planes import to_planes
from .plot import plot_log
from .pool import Pool
from .refer import refer_plainly
from .soap import Soap
from .teacher import SHARE, Teacher
from .twin import Hpac

EMA_HORIZON = 1000
LOG_EVERY = 100
SAVE_EVERY = 1000
MOST_GRADIENT = 1.0
"""Norm to which larger gradients are shortened."""


class Trainer:
    """Network, moving average, optimiser and pool, which a checkpoint holds in full.

    One update is the same code on every device, and one CUDA graph on a GPU. So all that changes between updates is a
    tensor on the device, which is filled before: learning rate, quantisation, the average's step, the batch's number.
    """

    def __init__(self, config: Config, data: Path, device: str, threads: int = 0) -> None:
        """Begin with random weights.

        Args:
            config: what to train.
            data: folder of the packs that the config names.
            device: cpu or cuda.
            threads: that augment tiles ahead; 0 for none. They change nothing but the speed.
        """
        torch.manual_seed(config.seed)
        self.config = config
        self.device = torch.device(device)
        self.net = Hpac(config.network).to(self.device)
        self._parameters = list(self.net.parameters())
        self.average = {name: value.clone() for name, value in self.net.state_dict().items()}
        self.optimiser = Soap(self._parameters)
        self.sources = read_sources(config, data)
        self.pool = Pool(self.sources, config, self.device, threads)
        self.teacher = Teacher(config.teacher, config, self.device) if config.teacher else None
        self.update = 0
        self.seconds = 0.0
        self._quantise, self._ema_step, self._loss = (torch.zeros((), device=self.device) for _ in range(3))
        self._run: Callable[[], object] | None = None
        self._cost: Callable[[Tensor, Tensor, References | None], Tensor] = self._mean_length
        if self.device.type == "cuda":
            self._cost = torch.compile(self._mean_length, fullgraph=True)

    def start_from(self, state: dict[str, Any]) -> None:
        """Take the averaged weights of another training's state() as a start.

        That network may lack the context, or references, which begin with no effect.

        Raises:
            ModelError: it is of another shape.
        """
        ours = self.net.state_dict()
        context = [layer.name for layer in layer_table(self.net.shape) if layer.role in CONTEXT_ROLES]
        begun = {key: ours[key] for name in context for key in (f"{name}.weight", f"{name}.bias")}
        theirs = begun | state["average"]
        columns = ours["input.weight"].shape[1] - theirs["input.weight"].shape[1]
        if self.net.shape.references and columns > 0:  # inputs that tell of references are the last
            theirs["input.weight"] = F.pad(theirs["input.weight"], (0, columns))
        self._load_network(theirs)
        self._load_average(self.net.state_dict())

    def _load_network(self, values: dict[str, Tensor]) -> None:
        if {n: v.shape for n, v in values.items()} != {n: v.shape for n, v in self.net.state_dict().items()}:
            raise ModelError("the checkpoint is of a network of another shape than the config's")
        self.net.load_state_dict(values)

    def _load_average(self, values: dict[str, Tensor]) -> None:
        for name, ours in self.average.items():
            ours.copy_(values[name])

    def _rate(self, done: float) -> float:
        """Learning rate: short warm-up, then cosine decay to 2 %."""
        warm = min(1.0, (self.update + 1) / self.config.warmup)
        return self.config.learning_rate * warm * (0.49 * (1 + math.cos(math.pi * min(done, 1))) + 0.02)

    def step(self, done: float | None = None) -> None:
        """Make one update.

        Args:
            done: share of the training that is over, by which learning rate and quantisation go; by the number of updates
                if it is not given.
        """
        done = self.update / self.config.updates if done is None else done
        self.pool.seek(self.update)
        if self.teacher:
            self.teacher.seek(self.update)
        self._run = self._run or self._prepare()
        self.optimiser.learning_rate.fill_(self._rate(done))
        self._quantise.fill_(done >= self.config.quantise_from)
        self.update += 1
        self._ema_step.fill_(1 - min(1 - 1 / EMA_HORIZON, self.update / (self.update + 100)))
        self._run()
        if self.update % self._turn_every() == 0:
            self.optimiser.turn()

    def _turn_every(self) -> int:
        """Updates after which SOAP's bases are turned: a GPU takes as long for that as for several updates."""
        if self.device.type == "cpu":
            return 10
        return 20 if self.update < 2000 else 50

    def _prepare(self) -> Callable[[], object]:
        """Make ready to update, leaving everything as it is but the optimiser's bases, which begin with the first gradient."""
        if self.update == 0:
            self.optimiser.begin(self._gradients()[1])
        state = copy.deepcopy(self.state())
        run = launcher(self._update, self.device)
        self.load(state)
        return run

    def _update(self) -> None:
        """One update, as launcher wants it."""
        loss, gradients = self._gradients()
        with torch.no_grad():
            norm = torch.stack(torch._foreach_norm(gradients)).norm()
            self.optimiser.step(gradients, (MOST_GRADIENT / (norm + 1e-6)).clamp(max=1))
            for name, value in self.net.state_dict().items():
                self.average[name].lerp_(value, self._ema_step)
            self._loss.add_(loss)

    def _gradients(self) -> tuple[Tensor, list[Tensor]]:
        """The loss of the pool's batch, and its gradients in the order of the parameters."""
        loss = self._cost(*self.pool.batch())
        return loss.detach(), list(torch.autograd.grad(loss, self._parameters))

    def _mean_length(self, planes: Tensor, depth: Tensor, references: References | None) -> Tensor:
        on_cpu = self.device.type == "cpu"  # where the number is at hand, and 0 saves work
        quantise = self._quantise.item() if on_cpu else self._quantise
        heads = self.net.predict(planes, depth, quantise, references)
        length = torch.stack([code_length(*pair, quantise) for pair in zip(heads, planes, strict=True)]).mean()
        if self.teacher:
            return length.lerp(self.teacher.mean_length(heads, planes, depth, quantise, references), SHARE)
        return length

    def take_loss(self) -> float:
        """Sum of the losses since this was last asked: bits per sub-pixel of the batches, and of what a teacher draws."""
        loss = self._loss.item()
        self._loss.zero_()
        return loss

    def state(self) -> dict[str, Any]:
        """Everything that the next update depends on."""
        return {
            "shape": asdict(self.net.shape),
            "net": self.net.state_dict(),
            "average": self.average,
            "soap": self.optimiser.state_dict(),
            "loss": self._loss,
            "update": self.update,
            "seconds": self.seconds,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from state(), in the tensors that are there, which a graph may have recorded.

        Raises:
            ModelError: it is of another shape, or has no optimiser.
        """
        if "soap" not in state:
            raise ModelError("the checkpoint is the end of a training: it can be a --start, but not be continued")
        self._load_network(state["net"])
        self._load_average(state["average"])
        self.optimiser.load_state_dict(state["soap"])
        self._loss.copy_(state["loss"])
        self.update, self.seconds = state["update"], state["seconds"]

    @torch.no_grad()
    def evaluate(self, *, quantise: bool, limit: int = 40) -> list[float]:
        """Bits per sub-pixel of the moving average on the first held-out pictures of each source.

        A network of luma and chroma gets them as such. A source whose channels refer to each other has two numbers, with
        references and without.
        """
        net = Hpac(self.net.shape).to(self.device)
        net.load_state_dict(self.average)
        results = []
        for source in self.sources:
            tiles = list(self._to_measure(source, limit))
            for most in (self.net.shape.references, 0) if source.references else (0,):
                bits = samples = 0.0
                for tile in tiles:
                    x = torch.from_numpy(tile.astype(np.int32)).permute(2, 0, 1)[:, None].to(self.device)
                    planes = x[: self.config.planes]
                    depth = depth_of(tile[..., : self.config.planes])
                    references = all_present(x[1 : 1 + most])
                    length = net(to_planes(planes), depth, float(quantise), references=references)
                    bits, samples = bits + length.double().sum().item(), samples + length.numel()
                results.append(bits / samples)
        return results

    def _to_measure(self, source: Source, limit: int) -> Iterator[Samples]:
        """Held-out tiles of a source, (H, W, C) as they lie in the pool; where channels refer, three of each picture."""
        rng = np.random.default_rng(0)
        for picture in source.held_out[: limit // 3 if source.references else limit]:
            tile = picture[: len(picture) // 2 * 2, : picture.shape[1] // 2 * 2]
            if source.references:
                last = tile.shape[2] - 1
                for channel in sorted({min(2, last), last // 2 + 1, last}):
                    yield refer_plainly(tile, source.references, self.net.shape.references, channel)
                continue
            if tile.ndim == 3:
                tile = age(tile, self.config.shares.luma_and_chroma, self.config.crop, rng)
                tile = tile if self.config.planes == 3 else tile[..., 1]
            yield tile.reshape(*tile.shape[:2], -1)


def save_checkpoint(trainer: Trainer, path: Path) -> None:
    """Write the state beside, then rename, so that a stop in between loses nothing."""
    temporary = path.with_suffix(".partial")
    torch.save(trainer.state(), temporary)
    temporary.replace(path)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a state onto the CPU, without running code from it.

    Raises:
        ModelError: there is none.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, UnpicklingError) as error:
        raise ModelError(f"{path}: no checkpoint of a training: {error}") from error
    return state


def train(
    config: Config,
    *,
    data: Path,
    out: Path,
    seconds: float,
    device: str,
    threads: int = 0,
    start: Path | None = None,
    report: Callable[[str], None] = print,
) -> Trainer:
    """Train until the config's updates are done or `seconds` have passed.

    Continues from `out`/NAME.checkpoint where it exists, else begins with the weights of the checkpoint
    `start` where one is given, and leaves there the checkpoint, NAME.csv (updates, pixels seen, seconds, training
    bits per sub-pixel; a row every LOG_EVERY updates) and NAME.svg, which shows it.

    Raises:
        ModelError: a checkpoint is none or does not fit, or the training diverges.
    """
    out.mkdir(parents=True, exist_ok=True)
    checkpoint, log = out / f"{config.name}.checkpoint", out / f"{config.name}.csv"
    trainer = Trainer(config, data, device, threads)
    if checkpoint.exists():
        trainer.load(read_checkpoint(checkpoint))
    elif start is not None:
        trainer.start_from(read_checkpoint(start))
    began, before = time.monotonic(), trainer.seconds

    def done() -> float:
        trainer.seconds = before + time.monotonic() - began
        return trainer.update / config.updates if config.updates else trainer.seconds / seconds

    while time.monotonic() - began < seconds and (share := done()) < 1:
        trainer.step(share)
        if trainer.update % LOG_EVERY == 0:
            loss = trainer.take_loss() / LOG_EVERY
            if not math.isfinite(loss):
                raise ModelError(f"{config.name}: diverged before update {trainer.update}; try a lower learning_rate")
            pixels = trainer.update * config.batch * config.crop**2
            row = [trainer.update, pixels, round(trainer.seconds, 1), round(loss, 4)]
            with log.open("a", newline="") as file:
                csv.writer(file).writerow(row)
            report(f"{config.name}: update {row[0]}, {row[2]} s, {row[3]} bpsp")
        if trainer.update % SAVE_EVERY == 0:
            save_checkpoint(trainer, checkpoint)
    save_checkpoint(trainer, checkpoint)
    if log.exists():
        plot_log(log, out / f"{config.name}.svg")
    return trainer
