"""Train one network from its config file: many small updates, resumable, stopped by time."""

import csv
import math
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hpac_cli.errors import InputError, ModelError
from hpac_cli.model.layers import CONTEXT_ROLES, layer_table
from hpac_cli.model.shape import Shape

from .data import CropSampler, Histories, Source, age, depth_of, read_tiles, split
from .planes import to_planes
from .plot import plot_log
from .soap import Soap
from .twin import Hpac

EMA_HORIZON = 1000
LOG_EVERY = 100


@dataclass(frozen=True)
class Config:
    """One network's training, read from a TOML file; see training/configs."""

    name: str
    planes: int
    updates: int
    sources: list[dict[str, Any]]
    crop: int = 64
    batch: int = 4
    learning_rate: float = 3e-3
    warmup: int = 200
    quantise_from: float = 0.75
    seed: int = 1
    shape: dict[str, int] = field(default_factory=dict)
    histories: dict[str, float] = field(default_factory=dict)

    @property
    def network(self) -> Shape:
        """Of the network that it trains."""
        return Shape(planes=self.planes, **self.shape)


def read_config(path: Path) -> Config:
    """Read a config file.

    Raises:
        InputError: it is no TOML, lacks a setting, has an unknown one, or describes no network that can be.
    """
    try:
        config = Config(**tomllib.loads(path.read_text("utf-8")))
        _ = config.network, Histories(**config.histories)
    except (ValueError, TypeError, ModelError) as error:
        raise InputError(f"{path}: cannot train by this config: {error}") from error
    return config


def read_sources(config: Config, data: Path) -> tuple[list[Source], list[list[Any]]]:
    """Read every pack of the config from the folder `data`; return training and held-out tiles."""
    sources, held_out = [], []
    for entry in config.sources:
        tiles = [
            t for pack in entry["packs"] for t in read_tiles(data / pack, rgb=entry.get("rgb", config.planes == 3))
        ]
        kept = [t for t in tiles if min(t.shape[:2]) >= config.crop + 2]
        train, held = split(kept)
        # a batch has one bit depth, so tiles of 8 and of more bits are drawn apart
        for dtype in sorted({t.dtype.name for t in train}):
            same = [t for t in train if t.dtype.name == dtype]
            sources.append(Source(same, entry["weight"] * len(same) / len(train)))
        held_out.append(held)
    return sources, held_out


class Trainer:
    """Network, moving average, optimiser and data, which a checkpoint holds in full."""

    def __init__(self, config: Config, data: Path, device: str, workers: int = 0) -> None:
        """Begin with random weights.

        Args:
            data: folder of the packs that the config names.
            device: cpu or cuda; for cuda the network is compiled.
            workers: processes that draw crops ahead; 0 for none. They change nothing but the speed.
        """
        torch.manual_seed(config.seed)
        self.config = config
        self.device = torch.device(device)
        self.net = Hpac(config.network).to(self.device)
        self._forward = torch.compile(self.net) if self.device.type == "cuda" else self.net
        self.average = {k: v.clone() for k, v in self.net.state_dict().items()}
        self.optimiser = Soap(self.net.parameters(), config.learning_rate)
        sources, self.held_out = read_sources(config, data)
        histories = Histories(**config.histories)
        self.sampler = CropSampler(sources, config.planes, config.crop, config.batch, histories, config.seed)
        self._workers = workers
        self._batches: Iterator[tuple[Tensor, int]] | None = None
        self.update = 0
        self.seconds = 0.0

    @property
    def ages_held_out(self) -> bool:
        """Whether the network codes luma and chroma, so that held-out tiles need a history too."""
        histories = self.sampler.histories
        return histories.photo_cd + histories.from_jpeg + histories.plain_ycc > 0

    def start_from(self, state: dict[str, Any]) -> None:
        """Take the averaged weights of another training's state() as a start.

        That network may lack the context, which begins with no effect.

        Raises:
            ModelError: it is of another shape.
        """
        ours = self.net.state_dict()
        context = [layer.name for layer in layer_table(self.net.shape) if layer.role in CONTEXT_ROLES]
        begun = {key: ours[key] for name in context for key in (f"{name}.weight", f"{name}.bias")}
        self._load_network(begun | state["average"])
        self.average = {k: v.clone() for k, v in self.net.state_dict().items()}

    def _load_network(self, values: dict[str, Tensor]) -> None:
        if {n: v.shape for n, v in values.items()} != {n: v.shape for n, v in self.net.state_dict().items()}:
            raise ModelError("the checkpoint is of a network of another shape than the config's")
        self.net.load_state_dict(values)

    def learning_rate(self) -> float:
        """Short warm-up, then cosine decay to 2 %."""
        done = self.update / self.config.updates
        warm = min(1.0, (self.update + 1) / self.config.warmup)
        return self.config.learning_rate * warm * (0.49 * (1 + math.cos(math.pi * done)) + 0.02)

    def step(self) -> Tensor:
        """Make one update; return the batch's bits per sub-pixel, which may not be computed yet."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        if self._batches is None:
            self._batches = self.sampler.from_number(self.update, self._workers)
        samples, depth = next(self._batches)
        planes = to_planes(samples.to(self.device, non_blocking=True))
        quantise = self.update >= self.config.quantise_from * self.config.updates
        loss: Tensor = self._forward(planes, depth, quantise).mean()
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        self.update += 1
        keep = min(1 - 1 / EMA_HORIZON, self.update / (self.update + 100))
        for name, value in self.net.state_dict().items():
            self.average[name].lerp_(value, 1 - keep)
        return loss.detach()

    def state(self) -> dict[str, Any]:
        """Everything that the next update depends on."""
        return {
            "net": self.net.state_dict(),
            "average": self.average,
            "soap": self.optimiser.state_dict(),
            "update": self.update,
            "seconds": self.seconds,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from state().

        Raises:
            ModelError: it is of another shape, or its optimiser is another.
        """
        if "soap" not in state:
            raise ModelError(
                "the checkpoint is of an older kind of training: it can be a --start, but not be continued"
            )
        self._load_network(state["net"])
        self.average = {k: v.to(self.device) for k, v in state["average"].items()}
        self.optimiser.load_state_dict(state["soap"])
        self.update, self.seconds = state["update"], state["seconds"]
        self._batches = None

    @torch.no_grad()
    def evaluate(self, *, quantise: bool, limit: int = 40) -> list[float]:
        """Bits per sub-pixel of the moving average on the first held-out tiles of each source."""
        net = Hpac(self.net.shape).to(self.device)
        net.load_state_dict(self.average)
        results = []
        for tiles in self.held_out:
            bits = samples = 0.0
            rng = np.random.default_rng(0)
            for tile in tiles[:limit]:
                if self.ages_held_out:
                    tile = age(tile[: len(tile) // 2 * 2, : tile.shape[1] // 2 * 2], self.sampler.histories, rng)
                grey = tile if tile.ndim == 2 or self.config.planes == 3 else tile[..., 1]
                x = torch.from_numpy(grey.astype("int32")).reshape(1, *grey.shape[:2], -1).permute(3, 0, 1, 2)
                length = net(to_planes(x.to(self.device)), depth_of(grey), quantise)
                bits, samples = bits + length.double().sum().item(), samples + length.numel()
            results.append(bits / samples)
        return results


def save_checkpoint(trainer: Trainer, path: Path) -> None:
    """Write the state beside, then rename, so that a stop in between loses nothing."""
    temporary = path.with_suffix(".partial")
    torch.save(trainer.state(), temporary)
    temporary.replace(path)


def train(
    config: Config,
    *,
    data: Path,
    out: Path,
    seconds: float,
    device: str,
    workers: int = 0,
    start: Path | None = None,
    report: Any = print,
) -> Trainer:
    """Train until the config's updates are done or `seconds` have passed.

    Continues from `out`/NAME.checkpoint where it exists, else begins with the weights of the checkpoint
    `start` where one is given, and leaves there the checkpoint, NAME.csv (updates, pixels seen, seconds, training
    bits per sub-pixel; a row every LOG_EVERY updates) and NAME.svg, which shows it.
    """
    out.mkdir(parents=True, exist_ok=True)
    checkpoint, log = out / f"{config.name}.checkpoint", out / f"{config.name}.csv"
    trainer = Trainer(config, data, device, workers)
    if checkpoint.exists():
        trainer.load(torch.load(checkpoint, map_location=device, weights_only=True))
    elif start is not None:
        trainer.start_from(torch.load(start, map_location=device, weights_only=True))
    began, before = time.monotonic(), trainer.seconds
    shown: Tensor | float = 0.0
    while trainer.update < config.updates and time.monotonic() - began < seconds:
        loss = trainer.step()
        trainer.seconds = before + time.monotonic() - began
        shown += loss / LOG_EVERY
        if trainer.update % LOG_EVERY == 0:
            row = [
                trainer.update,
                trainer.update * config.batch * config.crop**2,
                round(trainer.seconds, 1),
                round(float(shown), 4),
            ]
            with log.open("a", newline="") as file:
                csv.writer(file).writerow(row)
            report(f"{config.name}: update {row[0]}, {row[2]} s, {row[3]} bpsp")
            shown = 0.0
        if trainer.update % 1000 == 0:
            save_checkpoint(trainer, checkpoint)
    save_checkpoint(trainer, checkpoint)
    if log.exists():
        plot_log(log, out / f"{config.name}.svg")
    return trainer
