"""Which networks does this process hold? Loaded and prepared once, when first needed."""

import copy
from collections.abc import Iterable

import torch

from hpac_cli.container.fields import Adapted
from hpac_cli.errors import ContainerError, ModelError
from hpac_cli.intnet.backends import choose_backend, make_backend
from hpac_cli.intnet.network import Network
from hpac_cli.model.adapters import merge
from hpac_cli.model.index import load_by_digest, load_by_name
from hpac_cli.model.weights import Weights

from .adapters import unpack_adapter
from .workers import can_fork


class Networks:
    """Prepared networks by name and by digest, for one device and backend."""

    def __init__(self, *, backend: str = "", device: str = "cpu", threads: int = 0) -> None:
        """Choose the arithmetic.

        Args:
            backend: a name of intnet.backends.BACKENDS, or "" for the fastest exact one.
            threads: processors to use; 0 leaves torch's threads as they are. With workers to fork,
                this process keeps to one thread, so that there is no thread pool to inherit.

        Raises:
            UsageError: no such backend.
        """
        if threads:
            torch.set_num_threads(1 if can_fork() else threads)
        self.device = torch.device(device)
        self.arithmetic = make_backend(backend, self.device) if backend else choose_backend(self.device)
        self._prepared: dict[bytes, Network] = {}
        self._digests: dict[str, bytes] = {}

    def digest(self, name: str) -> bytes:
        """Identify the shipped weights of that name.

        Raises:
            ModelError: there are none.
        """
        if name not in self._digests:
            self._digests[name] = self._prepare(load_by_name(name))
        return self._digests[name]

    def by_digest(self, digest: bytes) -> Network:
        """Look up a network by the identity that a file names.

        Raises:
            ModelError: these weights are not installed.
        """
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
        base = self.by_digest(adapted.base).weights
        change = unpack_adapter(adapted.change, base.shape)
        try:
            return merge(base, change)
        except ModelError as error:
            raise ContainerError(f"an adapter is damaged: {error}") from error

    def _prepare(self, weights: Weights) -> bytes:
        digest = weights.digest()
        self._prepared[digest] = Network(weights, self.arithmetic, self.device)
        return digest
