"""Training is resumable, and what it exports is what it trained."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from conftest import hpac, make_network
from PIL import Image as PillowImage

from hpac_cli.codec.networks import Network
from hpac_cli.errors import InputError, ModelError
from hpac_cli.model.weights import read_weights, write_weights
from hpac_cli.training import CONFIGS
from hpac_cli.training.data import CropSampler, Histories, Source, read_tiles
from hpac_cli.training.integers import from_integers, to_integers
from hpac_cli.training.planes import to_planes
from hpac_cli.training.run import run
from hpac_cli.training.soap import Soap
from hpac_cli.training.train import Config, Trainer, read_config, train
from hpac_cli.training.twin import Hpac

SMALL = {"width": 16, "blocks": 1, "head": 16, "components": 2}
ALL = {"chroma": 0.3, "jpeg": 0.2, "stretch": 0.2, "noise": 0.3, "resized": 0.5}


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, photograph: np.ndarray) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "tiles").mkdir()
    for i in range(14):
        PillowImage.fromarray(photograph[20 * i : 20 * i + 72, 40 * i : 40 * i + 72]).save(
            folder / "tiles" / f"{i:02}.png"
        )
    return folder


def make_config(planes: int = 3, context: int = 16) -> Config:
    source = {"packs": ["tiles"], "weight": 1.0, "rgb": True}
    shape = SMALL | {"context": context, "context_places": 2 if context else 0}
    return Config("small", planes, 8, [source], crop=32, batch=2, quantise_from=0.5, shape=shape, histories=ALL)


@pytest.mark.parametrize("planes", [1, 3])
def test_training_lowers_the_code_length_of_held_out_tiles(data: Path, planes: int) -> None:
    trainer = Trainer(make_config(planes), data, "cpu")
    before = trainer.evaluate(quantise=False)
    for _ in range(8):
        trainer.step()
    assert trainer.evaluate(quantise=False) < before


@pytest.mark.parametrize("history", [field.name for field in fields(Histories)])
def test_every_history_changes_crops_and_keeps_their_size(history: str, data: Path) -> None:
    tiles = read_tiles(data / "tiles", rgb=True)
    planes = 1 if history == "scanned" else 3

    def draw(share: float) -> tuple[torch.Tensor, int]:
        histories = Histories(**{field.name: 0.0 for field in fields(Histories)} | {history: share})
        return CropSampler([Source(tiles, 1.0)], planes, 32, 4, histories, seed=2)[0]

    (aged, depth), (plain, _) = draw(1.0), draw(0.0)
    assert aged.shape == plain.shape == (planes, 4, 32, 32)
    assert 0 <= aged.min() <= aged.max() < 1 << depth
    assert not torch.equal(aged, plain)


def test_what_is_scanned_is_deep(data: Path) -> None:
    sampler = CropSampler([Source(read_tiles(data / "tiles", rgb=True), 1.0)], 1, 32, 2, Histories(scanned=1.0), seed=3)
    assert all(8 < sampler[number][1] <= 14 for number in range(20))


def test_a_resumed_training_takes_the_same_path(data: Path) -> None:
    straight = Trainer(make_config(), data, "cpu")
    expected = [straight.step().item() for _ in range(24)]  # SOAP turns its bases after every 10
    first = Trainer(make_config(), data, "cpu")
    losses = [first.step().item() for _ in range(12)]
    second = Trainer(make_config(), data, "cpu")
    second.load(first.state())
    losses += [second.step().item() for _ in range(12)]
    assert losses == expected


def test_a_process_that_draws_ahead_changes_nothing(data: Path) -> None:
    def losses(workers: int) -> list[float]:
        trainer = Trainer(make_config(), data, "cpu", workers)
        return [trainer.step().item() for _ in range(6)]

    assert losses(1) == losses(0)


def test_a_new_context_begins_with_no_effect(data: Path) -> None:
    before = Trainer(make_config(context=0), data, "cpu")
    before.step()
    after = Trainer(make_config(), data, "cpu")
    after.start_from(before.state())
    assert after.evaluate(quantise=True) == before.evaluate(quantise=True)


@pytest.mark.parametrize("take", [Trainer.start_from, Trainer.load])
def test_checkpoints_of_another_shape_are_refused(data: Path, take: Callable[[Trainer, dict], None]) -> None:
    trainer = Trainer(make_config(planes=1), data, "cpu")
    with pytest.raises(ModelError, match="another shape"):
        take(trainer, Trainer(make_config(), data, "cpu").state())


def test_checkpoints_of_another_optimiser_are_refused(data: Path) -> None:
    trainer = Trainer(make_config(), data, "cpu")
    state = trainer.state()
    state["optimiser"] = state.pop("soap")
    with pytest.raises(ModelError, match="--start"):
        trainer.load(state)


def test_soap_finds_its_way_where_scales_differ_in_directions_of_their_own() -> None:
    """A least-squares problem whose curvature has no preferred axes: Adam at the same rate is left behind."""

    def train_with(optimiser: type[torch.optim.Optimizer]) -> float:
        random = torch.Generator().manual_seed(1)
        left, right = (torch.linalg.qr(torch.randn(12, 12, generator=random))[0] for _ in range(2))
        scale = torch.logspace(0, -2, 12)
        target = torch.randn(12, 12, generator=random)
        weight = torch.zeros(12, 12, requires_grad=True)
        chosen = optimiser([weight], 0.02)  # type: ignore[arg-type]
        for _ in range(300):
            chosen.zero_grad()
            loss = ((left * scale @ left.t()) @ (weight - target) @ (right * scale @ right.t())).square().sum()
            loss.backward()  # type: ignore[no-untyped-call]
            chosen.step()
        return loss.item()

    assert train_with(Soap) < 0.5 * train_with(torch.optim.Adam)


def test_training_stops_continues_and_logs(data: Path, tmp_path: Path) -> None:
    train(make_config(), data=data, out=tmp_path, seconds=0, device="cpu", report=lambda _line: None)
    trainer = train(make_config(), data=data, out=tmp_path, seconds=60, device="cpu", report=lambda _line: None)
    assert trainer.update == 8
    assert (tmp_path / "small.checkpoint").exists()


def test_the_log_is_drawn(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpac_cli.training.train.LOG_EVERY", 2)
    train(make_config(), data=data, out=tmp_path, seconds=60, device="cpu", report=lambda _line: None)
    lines = ElementTree.parse(tmp_path / "small.svg").findall("{*}polyline")
    rows = len((tmp_path / "small.csv").read_text().splitlines())
    assert [len(line.get("points", "").split()) for line in lines] == [rows, 1]


def test_the_export_is_what_was_trained(data: Path, tmp_path: Path, photograph: np.ndarray) -> None:
    """Integer code length of real words against the float twin's estimate."""
    trainer = Trainer(make_config(), data, "cpu")
    for _ in range(8):
        trainer.step()
    weights = to_integers("small", trainer.net.shape, trainer.average)
    write_weights(weights, tmp_path / "small.safetensors")
    again = read_weights(tmp_path / "small.safetensors")
    assert again.digest() == weights.digest()
    samples = photograph[:64, :64].astype(np.int32)
    planes = to_planes(torch.from_numpy(samples).permute(2, 0, 1).contiguous())
    net = Hpac(trainer.net.shape)
    net.load_state_dict(trainer.average)
    with torch.no_grad():
        estimate = net(planes[:, None], 8, True).sum().item()
    assert 8 * len(make_network(again).coder.encode(samples, 8)) == pytest.approx(estimate, rel=0.01)


def test_the_twin_of_shipped_integers_estimates_what_they_take(real_network: Network, photograph: np.ndarray) -> None:
    weights = real_network.weights
    samples = photograph[64:128, 64:160, : weights.shape.planes].astype(np.int32)
    planes = to_planes(torch.from_numpy(samples).permute(2, 0, 1).contiguous())
    net = Hpac(weights.shape)
    net.load_state_dict(from_integers(weights)[0])
    with torch.no_grad():
        estimate = net(planes[:, None], 8, True).sum().item()
    assert 8 * len(real_network.coder.encode(samples, 8)) == pytest.approx(estimate, rel=0.003)


def test_unknown_configs_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="shipped are grey, rgb"):
        run(
            "cmyk",
            data=tmp_path,
            out=tmp_path,
            minutes=1,
            device="cpu",
            threads=0,
            workers=0,
            report=lambda _line: None,
        )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("planes =", "Invalid value"),
        ("wings = 2", "'wings'"),
        ("shape = {width = 40}", "width is 40"),
        ("shape = {height = 3}", "'height'"),
        ("histories = {war = 0.5}", "'war'"),
    ],
)
def test_configs_that_cannot_be_are_told(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "odd.toml"
    path.write_text(f'name = "odd"\nplanes = 3\nupdates = 1\nsources = []\n{line}\n')
    with pytest.raises(InputError, match=rf"odd\.toml: .*{words}"):
        read_config(path)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_configs_describe_networks(path: Path) -> None:
    assert read_config(path).name == path.stem


def test_training_without_torch_says_what_to_install(tmp_path: Path, without_torch: dict[str, str]) -> None:
    found = hpac("train", "rgb", "--data", tmp_path, "--out", tmp_path, **without_torch)
    assert (found.returncode, found.stdout) == (2, b"")
    assert found.stderr.decode().strip() == "hpac: train: training needs torch: pip install 'hpac-cli[adapt]'"
