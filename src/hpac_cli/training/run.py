"""Training from a config to exported integers: what `hpac train` does."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hpac_cli.errors import UsageError

from . import require_torch


def run(
    config: str,
    *,
    data: Path,
    out: Path,
    minutes: float,
    device: str,
    threads: int,
    report: Callable[[str], None],
    start: Path | None = None,
    updates: int | None = None,
) -> None:
    """Train from a config, then export to `out`/NAME.safetensors.

    Args:
        config: a shipped name or a TOML file.
        data: folder of the packs that the config names.
        out: where checkpoint, log and weights go.
        minutes: after which it stops.
        device: cpu or cuda.
        threads: to compute with on a CPU, to augment tiles with for a GPU; 0 for torch's number.
        report: takes a line at a time.
        start: checkpoint to begin with.
        updates: overrules the config's.

    Raises:
        InputError: there is no such config, or no such data.
        ModelError: a checkpoint does not fit, or the training diverges.
        UsageError: there is no such device.
        MissingPackageError: there is no torch.
    """
    require_torch("training")
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("there is no GPU here that torch could use")
    from hpac_cli.model.layers import count_multiply_adds
    from hpac_cli.model.weights import write_weights

    from .config import read_config
    from .integers import to_integers
    from .memory import keep_memory
    from .train import train

    settings = read_config(config)
    if updates is not None:
        settings = replace(settings, updates=updates)
    keep_memory()
    if threads:
        torch.set_num_threads(threads)
    trainer = train(
        settings,
        data=data,
        out=out,
        seconds=60 * minutes,
        device=device,
        threads=threads if device == "cuda" else 0,
        start=start,
        report=report,
    )
    weights = to_integers(trainer.config.name, trainer.net.shape, trainer.average)
    target = out / f"{trainer.config.name}.safetensors"
    write_weights(weights, target)
    report(f"{target}: {count_multiply_adds(weights.shape):,} multiply-adds a pixel, digest {weights.digest().hex()}")
    for quantise, what in ((False, "float"), (True, "quantised")):
        lengths = ", ".join(f"{bits:.4f}" for bits in trainer.evaluate(quantise=quantise))
        report(f"held-out tiles, {what}: {lengths} bpsp")
