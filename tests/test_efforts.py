"""Effort levels: what the table says is what is done, in every place that takes an effort."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import hpac, make_other_photograph, save_png
from PIL import Image as PillowImage

import hpac_cli
from hpac_cli import api
from hpac_cli.adapt.schedules import SCHEDULES
from hpac_cli.cli.efforts import describe_efforts
from hpac_cli.codec.budget import fit_effort
from hpac_cli.codec.duration import Rates
from hpac_cli.codec.efforts import EFFORTS, Effort, effort_of, list_efforts
from hpac_cli.codec.networks import Networks
from hpac_cli.errors import UsageError
from hpac_cli.image import Image
from hpac_cli.model.index import SIZES, shipped_index

ROOT = Path(__file__).parents[1]


def sizes_in(data: bytes) -> set[str]:
    """Sizes of the networks that a file names."""
    header = api.Session().open(io.BytesIO(data)).header
    by_digest = {entry.digest: entry.size for entry in shipped_index().values()}
    return {by_digest[part.weights_digest.hex()] for frame in header.frames for part in frame.parts}


@pytest.mark.parametrize("level", [1, 3, 5])
def test_an_effort_codes_with_networks_of_its_size(level: int, photograph: np.ndarray) -> None:
    part = photograph[:24, :24]
    with_alpha = np.dstack([make_other_photograph(part), part[..., 0]])
    for array in (part, with_alpha):
        assert sizes_in(hpac_cli.encode(array, effort=level)) == {EFFORTS[level - 1].size}


def test_larger_networks_make_smaller_files(photograph: np.ndarray) -> None:
    part = make_other_photograph(photograph[100:196, 300:396])
    found = [len(hpac_cli.encode(part, effort=level)) for level in (1, 3, 5)]
    assert found == sorted(found, reverse=True)


def test_the_table_is_in_order() -> None:
    costs = [(SIZES.index(effort.size), effort.crops, effort.encode_cost) for effort in EFFORTS]
    assert costs == sorted(costs)
    assert {effort.adapt for effort in EFFORTS} == {"off", *SCHEDULES}
    assert [SCHEDULES[effort.adapt].updates for effort in EFFORTS[5:]] == sorted(s.updates for s in SCHEDULES.values())


@pytest.mark.parametrize("level", [0, 10, -1])
def test_an_effort_that_there_is_not_is_told(level: int) -> None:
    with pytest.raises(UsageError, match="there are 1 to 9"):
        hpac_cli.encode(np.zeros((8, 8), np.uint8), effort=level)


@pytest.mark.parametrize("option", [["-1"], ["--effort", "1"], ["--effort=1"]])
def test_the_command_line_takes_short_and_long_efforts(
    option: list[str], tmp_path: Path, photograph: np.ndarray
) -> None:
    (tmp_path / "a.png").write_bytes(save_png(make_other_photograph(photograph[:24, :24])))
    assert hpac("encode", *option, "a.png", cwd=tmp_path).returncode == 0
    assert sizes_in((tmp_path / "a.png.hpac").read_bytes()) == {"small"}


def test_a_file_may_be_called_like_an_effort(tmp_path: Path, photograph: np.ndarray) -> None:
    (tmp_path / "-1").write_bytes(save_png(photograph[:9, :9]))
    assert hpac("encode", "--effort", "3", "--", "-1", cwd=tmp_path).returncode == 0
    assert sizes_in((tmp_path / "-1.hpac").read_bytes()) == {"medium"}


def test_help_and_documentation_show_the_table() -> None:
    shown = hpac("encode", "--help", COLUMNS="120").stdout.decode()
    documented = (ROOT / "docs" / "cli.md").read_text()
    assert all(line in shown and line in documented for line in describe_efforts())


def test_pillow_takes_an_effort(photograph: np.ndarray) -> None:
    import hpac_cli.plugins.pillow  # noqa: F401

    file = io.BytesIO()
    PillowImage.fromarray(make_other_photograph(photograph[:24, :24])).save(file, "HPAC", effort=1)
    assert sizes_in(file.getvalue()) == {"small"}


def test_numcodecs_takes_an_effort(photograph: np.ndarray) -> None:
    plugin = pytest.importorskip("hpac_cli.plugins.numcodecs")
    codec = plugin.Hpac(effort=1)
    assert codec.get_config()["effort"] == 1
    assert sizes_in(codec.encode(make_other_photograph(photograph[:24, :24]))) == {"small"}


def fit(
    seconds: float, networks: Networks, *, level: int = 9, adapt: str = "", side: int = 512
) -> tuple[Effort, float]:
    image = Image((np.zeros((side, side, 3), np.uint8),), "array")
    rates = Rates(networks)
    return fit_effort(list_efforts(level, adapt), image, rates=rates, seconds=seconds, verify=True, threads=1)


def test_a_time_budget_lowers_the_effort(networks: Networks) -> None:
    found = [fit(seconds, networks)[0] for seconds in (1e-9, 1000)]
    assert found == [EFFORTS[0], EFFORTS[-1]]
    assert fit(1e9, networks, level=4) == (EFFORTS[3], 0.0)


def test_what_coding_leaves_of_a_time_budget_is_for_adapting(networks: Networks) -> None:
    effort, left = fit(1000, networks, level=5, adapt="full")
    assert effort == replace(effort_of(5), adapt="full")
    assert 900 < left < 1000


def test_weights_stay_as_they_are_where_time_is_too_short_to_adapt(networks: Networks) -> None:
    assert fit(3, networks, side=32) == (replace(effort_of(9), adapt="off"), 0.0)


def test_a_time_budget_is_kept(photograph: np.ndarray) -> None:
    stream = io.BytesIO()
    session = api.Session(api.Options(time_budget=0.02))
    from hpac_cli.images.npy import from_array

    session.encode(from_array(photograph), stream)
    assert sizes_in(stream.getvalue()) == {"small"}
