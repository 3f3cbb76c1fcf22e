"""Which networks does this process hold? Loaded and prepared once, when first needed."""

import torch

from hpac_cli.intnet.backends import choose_backend, make_backend
from hpac_cli.intnet.network import Network
from hpac_cli.intnet.weights import Weights, load_by_digest, load_by_name

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

    def use(self, name: str, digest: bytes) -> None:
        """Encode with certain weights from now on, rather than with the newest of that name.

        Raises:
            ModelError: these weights are not installed.
        """
        self.by_digest(digest)
        self._digests[name] = digest

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

    def _prepare(self, weights: Weights) -> bytes:
        digest = weights.digest()
        self._prepared[digest] = Network(weights, self.arithmetic, self.device)
        return digest
