"""The networks that this process holds: loaded and packed for the core once, when first needed."""

import copy
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hpac_cli.container.fields import Adapted
from hpac_cli.core import TileCoder, UnknownUnitError, choose_unit
from hpac_cli.errors import ContainerError, ModelError, UsageError
from hpac_cli.model.adapters import merge
from hpac_cli.model.index import ROLES, find_entry, latest_entry, load_by_digest
from hpac_cli.model.pack import packed, packed_tables
from hpac_cli.model.weights import Weights

BACKEND_VARIABLE = "HPAC_BACKEND"

_LOADING = threading.Lock()
"""Held while networks are looked up or loaded, and while a process forks: else a child could inherit it locked."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_LOADING.acquire, after_in_parent=_LOADING.release, after_in_child=_LOADING.release)


@dataclass(frozen=True)
class Network:
    """One set of weights, ready to code tiles."""

    weights: Weights
    coder: TileCoder


class Networks:
    """Networks by name and by digest, for one instruction set. Threads may share them."""

    def __init__(self, *, backend: str = "") -> None:
        """Choose the instruction set, when the first network is needed.

        Args:
            backend: its name; "" for the one that HPAC_BACKEND names, else the fastest that is exact here.
        """
        self._backend = backend or os.environ.get(BACKEND_VARIABLE, "")
        self._prepared: dict[bytes, Network] = {}

    @cached_property
    def unit(self) -> str:
        """The instruction set.

        Raises:
            UsageError: the one that was asked for is not there.
            ModelError: the native core or the tables are missing or damaged.
        """
        try:
            return choose_unit(self._tables, self._backend)
        except UnknownUnitError as error:
            raise UsageError(str(error)) from error

    @cached_property
    def _tables(self) -> NDArray[np.int32]:
        return packed_tables()

    def digest(self, name: str) -> bytes:
        """Identify the shipped weights of that name, without loading them.

        Raises:
            ModelError: there are none.
        """
        return bytes.fromhex(find_entry(name).digest)

    def latest(self, role: str, size: str) -> bytes:
        """Identify the weights of a role and size with which frames are encoded, without loading them.

        Raises:
            ModelError: there are none.
        """
        return bytes.fromhex(latest_entry(role, size).digest)

    def load(self, size: str) -> None:
        """Load and pack the networks of a size with which frames are encoded, of all roles.

        Raises:
            ModelError: they are missing or damaged.
        """
        for role in ROLES:
            self.by_digest(self.latest(role, size))

    def by_digest(self, digest: bytes) -> Network:
        """Look up a network by the identity that a file names.

        Raises:
            ModelError: these weights are not installed.
        """
        with _LOADING:
            if digest not in self._prepared:
                self._prepare(load_by_digest(digest))
            return self._prepared[digest]

    def adapted(self, adapters: Iterable[Adapted]) -> "Networks":
        """These networks and, for one file alone, those that its adapters make of them.

        Raises:
            ModelError: the weights to be changed are not installed.
            ContainerError: an adapter is damaged.
        """
        ours = copy.copy(self)
        ours._prepared = dict(self._prepared)
        for adapted in adapters:
            ours._prepare(self.merged(adapted))
        return ours

    def merged(self, adapted: Adapted) -> Weights:
        """The weights that an adapter makes.

        Raises:
            ModelError: the weights to be changed are not installed.
            ContainerError: the adapter is damaged.
        """
        from .adapters import unpack_adapter  # only adapted files need constriction

        base = self.by_digest(adapted.base).weights
        change = unpack_adapter(adapted.change, base.shape)
        try:
            return merge(base, change)
        except ModelError as error:
            raise ContainerError(f"an adapter is damaged: {error}") from error

    def _prepare(self, weights: Weights) -> bytes:
        digest = weights.digest()
        self._prepared[digest] = Network(weights, TileCoder(packed(weights), self._tables, self.unit))
        return digest
