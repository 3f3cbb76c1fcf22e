"""Distillation: samples that a larger network thinks possible stand beside the one that came.

A sample says little of the distribution it comes from, so gradients are noisy. A larger network knows more of it, and its
mixtures give as many samples as are wanted for one more forward pass.
"""

import numpy as np
import torch
from torch import Tensor

from hpac_cli.errors import ModelError
from hpac_cli.model.index import load_by_name

from .code_length import HeadOutput, code_length, draw_samples
from .config import Config
from .inputs import References
from .integers import from_integers
from .quantise import Quantise
from .twin import Hpac

DRAWS = 2
"""Samples that are drawn for each that came."""
SHARE = 0.8
"""Of the loss, which these count for."""


class Teacher:
    """A shipped network that teaches, and the numbers by which its samples are drawn.

    These come of the seed and the number of the update, on every device the same.
    """

    def __init__(self, name: str, config: Config, device: torch.device) -> None:
        """Load it.

        Args:
            name: of a shipped network ("rgb-medium").
            config: of the training.
            device: where batches lie.

        Raises:
            ModelError: there is no such network, or it codes other planes or is told of other references than the one that is trained.
        """
        weights = load_by_name(name)
        theirs, ours = ((s.planes, s.references) for s in (weights.shape, config.network))
        if theirs != ours:
            raise ModelError(f"{name} cannot teach {config.name}: it has planes and references {theirs}, not {ours}")
        self._net = Hpac(weights.shape).requires_grad_(False).to(device)
        self._net.load_state_dict(from_integers(weights)[0])
        self._seed = config.seed
        size = 2, DRAWS, config.planes, config.batch, config.crop, config.crop
        self._uniform = torch.zeros(size, device=device)

    def seek(self, update: int) -> None:
        """Make the next draws those of an update."""
        rng = np.random.default_rng((self._seed, 2, update))
        self._uniform.copy_(torch.from_numpy(rng.random(self._uniform.shape, np.float32)))

    def mean_length(
        self, heads: list[HeadOutput], planes: Tensor, depth: Tensor, quantise: Quantise, references: References | None
    ) -> Tensor:
        """Mean bits that the samples which this network draws take by another network's heads, ().

        Args:
            heads: of the other network, for the same batch.
            planes, depth, references: of the batch, as the twin takes them.
        """
        with torch.no_grad():
            own = self._net.predict(planes, depth, 0.0, references)
        drawn = [draw_samples(head, numbers) for head, numbers in zip(own, self._uniform.unbind(2), strict=True)]
        return torch.stack([code_length(*pair, quantise).mean() for pair in zip(heads, drawn, strict=True)]).mean()
