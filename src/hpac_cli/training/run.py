"""Training from a config to exported integers: what `hpac train` does."""

from collections.abc import Callable
from pathlib import Path

from hpac_cli.errors import InputError

from . import CONFIGS, require_torch


def run(
    config: str,
    *,
    data: Path,
    out: Path,
    minutes: float,
    device: str,
    threads: int,
    workers: int,
    report: Callable[[str], None],
    start: Path | None = None,
) -> None:
    """Train from a config (a shipped name or a TOML file), then export to `out`/NAME.safetensors.

    Raises:
        InputError: there is no such config, or no such data.
        MissingPackageError: there is no torch.
    """
    require_torch("training")
    import torch

    from hpac_cli.model.layers import count_multiply_adds
    from hpac_cli.model.weights import write_weights

    from .integers import to_integers
    from .train import read_config, train

    path = CONFIGS / f"{config}.toml" if (CONFIGS / f"{config}.toml").is_file() else Path(config)
    if not path.is_file():
        raise InputError(f"no config {config}; shipped are {', '.join(sorted(p.stem for p in CONFIGS.glob('*.toml')))}")
    if threads:
        torch.set_num_threads(threads)
    trainer = train(
        read_config(path),
        data=data,
        out=out,
        seconds=60 * minutes,
        device=device,
        workers=workers,
        start=start,
        report=report,
    )
    for quantise, what in ((False, "float"), (True, "quantised")):
        lengths = ", ".join(f"{bits:.4f}" for bits in trainer.evaluate(quantise=quantise))
        report(f"held-out tiles, {what}: {lengths} bpsp")
    weights = to_integers(trainer.config.name, trainer.net.shape, trainer.average)
    target = out / f"{trainer.config.name}.safetensors"
    write_weights(weights, target)
    report(f"{target}: {count_multiply_adds(weights.shape):,} multiply-adds a pixel, digest {weights.digest().hex()}")
