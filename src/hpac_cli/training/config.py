"""Configs: what network is trained, how long, and on what. The shipped ones are a kind and a size, as in rgb-small."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpac_cli.errors import InputError, ModelError
from hpac_cli.model.shape import Shape

from .augment import Histories
from .refer import KINDS

_FOLDER = Path(__file__).parent / "configs"
NAMES = tuple(f"{kind}-{size}" for kind in ("rgb", "ycc", "grey") for size in ("small", "medium", "large"))
"""Of the shipped configs: what the file of the kind and the file of the size say together."""


@dataclass(frozen=True)
class Config:
    """One network's training."""

    name: str
    planes: int
    updates: int
    """0 for as many as there is time for."""
    sources: list[dict[str, Any]]
    """Of each: `packs`, file or folder names; `weight`; `rgb`, whether its colour pictures are meant; and, where its
    channels refer to each other, `references`: whether they are slices or bands."""
    crop: int = 96
    """Side of the crops; even."""
    batch: int = 2
    learning_rate: float = 3e-3
    warmup: int = 200
    """Updates until the learning rate is reached."""
    quantise_from: float = 0.75
    """Share of the training after which values are rounded."""
    teacher: str = ""
    """Shipped network, larger than this one, that teaches it; none if empty."""
    seed: int = 1
    shape: dict[str, int] = field(default_factory=dict)
    histories: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _ = self.network, self.shares
        for kind in (source["references"] for source in self.sources if "references" in source):
            if kind not in KINDS or not self.network.references:
                raise ValueError(f"references is {kind!r}; a network that has some takes {' or '.join(KINDS)}")
        if self.crop % 2:
            raise ValueError(f"crop is {self.crop}; it must be even")

    @property
    def network(self) -> Shape:
        """Of the network that it trains."""
        return Shape(planes=self.planes, **self.shape)

    @property
    def shares(self) -> Histories:
        """How often tiles get which history."""
        return Histories(**self.histories)


def read_config(name: str) -> Config:
    """Read a shipped config or a TOML file, which may be `like` a shipped one but for what it says.

    Raises:
        InputError: there is none, or it is no TOML, lacks a setting, has an unknown one, or describes no network that can be.
    """
    if name in NAMES:
        return Config(name=name, **_shipped(name))
    path = Path(name)
    if not path.is_file():
        raise InputError(f"no config {name}; shipped are {', '.join(NAMES)}")
    try:
        settings = tomllib.loads(path.read_text("utf-8"))
        like = settings.pop("like", None)
        if like is not None and like not in NAMES:
            raise ValueError(f"like is {like!r}; shipped are {', '.join(NAMES)}")
        return Config(**_merge(_shipped(like), settings) if like else settings)
    except (ValueError, TypeError, ModelError) as error:
        raise InputError(f"{path}: cannot train by this config: {error}") from error


def _shipped(name: str) -> dict[str, Any]:
    kind, size = (tomllib.loads((_FOLDER / f"{part}.toml").read_text("utf-8")) for part in name.split("-"))
    return _merge(size, kind)


def _merge(settings: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Overrule settings by others; tables are merged, lists replaced."""
    return settings | {
        key: _merge(settings[key], value) if isinstance(value, dict) and key in settings else value
        for key, value in more.items()
    }
