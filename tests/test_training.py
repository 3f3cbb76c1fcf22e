"""Training is resumable, and what it exports is what it trained."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from conftest import hpac, make_network
from PIL import Image as PillowImage

from hpac_cli.codec.cells import find_edges, find_shifts
from hpac_cli.codec.networks import Network
from hpac_cli.errors import InputError, ModelError, UsageError
from hpac_cli.model.index import load_by_name
from hpac_cli.model.layers import count_multiply_adds
from hpac_cli.model.weights import read_weights, write_weights
from hpac_cli.model.window import causal_offsets
from hpac_cli.training.config import Config, read_config
from hpac_cli.training.depthwise import convolve, sum_taps
from hpac_cli.training.inputs import References
from hpac_cli.training.integers import from_integers, to_integers
from hpac_cli.training.planes import to_planes
from hpac_cli.training.run import run
from hpac_cli.training.teacher import SHARE
from hpac_cli.training.train import Trainer, train
from hpac_cli.training.twin import Hpac

SMALL = {"width": 16, "blocks": 1, "head": 16, "components": 2}
ALL = {"chroma": 0.3, "jpeg": 0.2, "retouched": 0.2, "camera": 0.2, "noise": 0.2, "resized": 0.5}


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
    losses(trainer, 8)
    assert trainer.evaluate(quantise=False) < before


def losses(trainer: Trainer, updates: int) -> list[float]:
    """Make updates; return what each of their batches took."""
    return [(trainer.step(), trainer.take_loss())[1] for _ in range(updates)]


def test_a_resumed_training_takes_the_same_path(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpac_cli.training.pool.BLOCK", 5)  # so that tiles are augmented anew on the way
    straight = Trainer(make_config(), data, "cpu")
    expected = losses(straight, 24)  # SOAP turns its bases after every 10
    first = Trainer(make_config(), data, "cpu")
    found = losses(first, 12)
    second = Trainer(make_config(), data, "cpu")
    second.load(first.state())
    assert found + losses(second, 12) == expected


def test_threads_that_augment_ahead_change_nothing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpac_cli.training.pool.BLOCK", 2)
    assert losses(Trainer(make_config(), data, "cpu", threads=2), 6) == losses(Trainer(make_config(), data, "cpu"), 6)


def test_a_new_context_begins_with_no_effect(data: Path) -> None:
    before = Trainer(make_config(context=0), data, "cpu")
    losses(before, 1)
    after = Trainer(make_config(), data, "cpu")
    after.start_from(before.state())
    assert after.evaluate(quantise=True) == before.evaluate(quantise=True)


@pytest.mark.parametrize("take", [Trainer.start_from, Trainer.load])
def test_checkpoints_of_another_shape_are_refused(data: Path, take: Callable[[Trainer, dict], None]) -> None:
    trainer = Trainer(make_config(planes=1), data, "cpu")
    with pytest.raises(ModelError, match="another shape"):
        take(trainer, Trainer(make_config(), data, "cpu").state())


def test_ends_of_trainings_are_no_checkpoints_to_continue_from(data: Path) -> None:
    trainer = Trainer(make_config(), data, "cpu")
    state = trainer.state()
    del state["soap"]
    with pytest.raises(ModelError, match="--start"):
        trainer.load(state)


def test_what_is_no_checkpoint_is_named(data: Path, tmp_path: Path) -> None:
    odd = tmp_path / "odd.checkpoint"
    odd.write_bytes(b"no checkpoint")
    with pytest.raises(ModelError, match=r"odd\.checkpoint: no checkpoint"):
        train(make_config(), data=data, out=tmp_path, seconds=0, device="cpu", start=odd)


def test_training_that_diverges_says_so(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpac_cli.training.train.LOG_EVERY", 4)
    config = replace(make_config(), learning_rate=float("inf"), warmup=1)
    with pytest.raises(ModelError, match="diverged before update 4"):
        train(config, data=data, out=tmp_path, seconds=60, device="cpu")


def test_without_a_number_of_updates_the_time_is_used_up(data: Path, tmp_path: Path) -> None:
    rates = []

    class Watched(Trainer):
        def step(self, done: float | None = None) -> None:
            super().step(done)
            rates.append((done, self.optimiser.learning_rate.item()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hpac_cli.training.train.Trainer", Watched)
        config = replace(make_config(), updates=0, warmup=1)
        train(config, data=data, out=tmp_path, seconds=3, device="cpu", report=lambda _line: None)
    shares = [share for share, _ in rates]
    assert shares == sorted(shares)
    assert shares[-1] > 0.8
    assert rates[-1][1] < 0.2 * config.learning_rate < rates[0][1]


def test_an_update_mixes_no_devices_and_asks_for_no_number(data: Path) -> None:
    """As a CUDA graph must not; tensors without values show both."""
    trainer = Trainer(make_config(), data, "meta")
    trainer.pool.seek(0)
    trainer._update()
    with pytest.raises(RuntimeError, match="meta"):
        trainer.take_loss()


@pytest.mark.parametrize("number", [0, 2])
def test_the_network_is_one_graph_that_quantises_by_a_number(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    net = Hpac(replace(make_config(1 if number else 3).network, references=number))
    planes, depth = torch.randint(0, 200, (5, 2, 12, 12), dtype=torch.int32), torch.tensor([8, 11], dtype=torch.int32)
    references = References(planes[3:], torch.tensor([[True, True], [False, True]])) if number else None
    planes = planes[: net.shape.planes]
    expected = [net(planes, depth, quantise, references=references) for quantise in (0.0, 1.0)]
    # as a GPU does it
    monkeypatch.setattr(
        "hpac_cli.training.twin.convolve_causally",
        lambda x, weight, bias, rows: sum_taps(
            torch.nn.functional.pad(x, (0, 0, rows, rows, rows, 0)), weight, bias, rows
        ),
    )
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    found = [compiled(planes, depth, torch.tensor(quantise), references=references) for quantise in (0.0, 1.0)]
    assert not torch.equal(*found)
    assert all(torch.allclose(a, b, rtol=0.01, atol=0.01) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_both_ways_to_convolve_are_one_and_so_are_their_gradients(rows: int) -> None:
    torch.manual_seed(1)
    taps = len(causal_offsets(rows, rows, centre=True))
    inputs = [torch.randn(shape, requires_grad=True) for shape in ((2, 9 + rows, 7 + 2 * rows, 8), (8, taps), (8,))]
    results = [way(*inputs, rows) for way in (convolve, sum_taps)]
    weights = torch.randn(results[0].shape)
    gradients = [torch.autograd.grad((result * weights).sum(), inputs) for result in results]
    for one, other in zip((results[0], *gradients[0]), (results[1], *gradients[1]), strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)


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
    losses(trainer, 8)
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
    assert 8 * len(real_network.coder.encode(samples, 8)) == pytest.approx(estimate, rel=0.005)


def train_by(config: str, folder: Path, device: str = "cpu") -> None:
    run(config, data=folder, out=folder, minutes=1, device=device, threads=0, report=lambda _line: None)


def test_unknown_configs_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="shipped are rgb-small, rgb-medium"):
        train_by("cmyk", tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no GPU"):
        train_by("rgb-small", tmp_path, "cuda")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("planes =", "Invalid value"),
        ("wings = 2", "'wings'"),
        ("crop = 33", "must be even"),
        ("shape = {width = 40}", "width is 40"),
        ("shape = {height = 3}", "'height'"),
        ("histories = {war = 0.5}", "'war'"),
        ("histories = {jpeg = 0.5, chroma = 0.6}", "exceed 1"),
        ("like = 'cmyk'", "like is 'cmyk'"),
    ],
)
def test_configs_that_cannot_be_are_told(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "odd.toml"
    path.write_text(f'name = "odd"\nplanes = 3\nupdates = 1\nsources = []\n{line}\n')
    with pytest.raises(InputError, match=rf"odd\.toml: .*{words}"):
        read_config(str(path))


@pytest.mark.parametrize(("size", "operations"), [("small", 26_272), ("medium", 118_016), ("large", 565_248)])
def test_shipped_configs_are_of_three_sizes(size: str, operations: int) -> None:
    for kind, planes in (("rgb", 3), ("ycc", 3), ("grey", 1)):
        config = read_config(f"{kind}-{size}")
        assert (config.name, config.planes) == (f"{kind}-{size}", planes)
        assert count_multiply_adds(config.network) == pytest.approx(operations, rel=0 if planes == 3 else 0.25)


def test_a_config_may_be_like_a_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\nlike = "ycc-small"\nshape = {width = 48}\n')
    shipped = read_config("ycc-small")
    assert read_config(str(path)) == replace(shipped, name="mine", shape=shipped.shape | {"width": 48})


def test_training_without_torch_says_what_to_install(tmp_path: Path, without_torch: dict[str, str]) -> None:
    found = hpac("train", "rgb-small", "--data", tmp_path, "--out", tmp_path, **without_torch)
    assert (found.returncode, found.stdout) == (2, b"")
    assert found.stderr.decode().strip() == "hpac: train: training needs torch: pip install 'hpac-cli[adapt]'"


def test_the_twin_knows_cells_as_the_integers_do(photograph: np.ndarray) -> None:
    """Code lengths of a shipped network with cells, estimated and measured."""
    weights = load_by_name("rgb-small")
    samples = photograph[200:264, 300:364].astype(np.int32)
    edges = find_edges(np.random.default_rng(1).integers(-12, 13, (3, 256)))
    shifts = torch.from_numpy(find_shifts(edges))
    net = Hpac(weights.shape)
    net.load_state_dict(from_integers(weights)[0])
    planes = to_planes(torch.from_numpy(samples).permute(2, 0, 1).contiguous())[:, None]
    with torch.no_grad():
        estimate = float(net(planes, 8, True, shifts).sum())
        plain = float(net(planes, 8, True).sum())
    measured = make_network(weights).coder.measure(samples, 8, edges).sum()
    assert measured == pytest.approx(estimate, rel=0.005)
    assert abs(plain - estimate) > 0.01 * estimate


def test_what_the_teacher_draws_counts_in_the_loss(data: Path) -> None:
    trainer = Trainer(replace(make_config(), teacher="rgb-small"), data, "cpu")
    trainer.pool.seek(0)
    assert trainer.teacher is not None
    trainer.teacher.seek(0)
    planes, depth, references = trainer.pool.batch()
    heads = trainer.net.predict(planes, depth, 0.0, references)
    came = trainer.net(planes, depth, 0.0).mean()
    drawn = trainer.teacher.mean_length(heads, planes, depth, 0.0, references)
    assert losses(trainer, 1)[0] == pytest.approx(((1 - SHARE) * came + SHARE * drawn).item(), rel=1e-5)
    assert drawn.item() != pytest.approx(came.item(), rel=1e-3)


def test_a_resumed_training_draws_the_same_samples(data: Path) -> None:
    config = replace(make_config(), teacher="rgb-small")
    expected = losses(Trainer(config, data, "cpu"), 6)
    first = Trainer(config, data, "cpu")
    found = losses(first, 3)
    second = Trainer(config, data, "cpu")
    second.load(first.state())
    assert found + losses(second, 3) == expected


def test_a_teacher_of_other_planes_is_refused(data: Path) -> None:
    with pytest.raises(ModelError, match="grey-small cannot teach small"):
        Trainer(replace(make_config(), teacher="grey-small"), data, "cpu")
