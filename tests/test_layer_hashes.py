"""What the network says of a real tile never changes, part by part, so that a change names its first place."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hpac_cli.intnet.mixture import BUCKETS, choose_window, cumulative
from hpac_cli.intnet.network import run_tile

from hpac_cli.codec.networks import Networks
from hpac_cli.training.planes import to_planes

GOLDEN = Path(__file__).parent / "golden" / "layers.json"


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def layer_hashes(planes: int, networks: Networks, photograph: np.ndarray) -> dict[str, str]:
    """Hashes of what the network says of one real tile."""
    network = networks.by_digest(networks.digest("rgb" if planes == 3 else "grey"))
    samples = torch.from_numpy(photograph[64:96, 64:112, :planes].astype(np.int32)).permute(2, 0, 1).contiguous()
    tile = to_planes(samples)
    result = run_tile(network, tile, 8)
    found = {"base": result.focus.base, "level": result.focus.level, "trunk": result.trunk}
    for p in range(planes):
        earlier = result.residuals[:p]
        found[f"head {p}"] = network.head(p, result.trunk, result.focus, earlier)
        mixture = network.mixture(p, result.trunk, result.focus, earlier, tile[0].flatten(), 8)
        window = choose_window(mixture, network.tables)
        steps = torch.arange(BUCKETS + 1, dtype=torch.int32)[:, None]
        found[f"masses {p}"] = cumulative(mixture, window.start, window.exponent, steps, network.tables)
    return {name: _sha(value.contiguous().int().numpy().astype("<i4").tobytes())[:16] for name, value in found.items()}


@pytest.mark.parametrize("planes", [1, 3])
def test_the_networks_integers_never_change(planes: int, networks: Networks, photograph: np.ndarray) -> None:
    expected = json.loads(GOLDEN.read_text())
    assert layer_hashes(planes, networks, photograph) == expected[str(planes)]
