"""`hpac bench` round-trips every codec and says what it found."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import save_png

from hpac_cli import api
from hpac_cli.bench import make_codecs, measure, run


@pytest.fixture
def folder(tmp_path: Path, photograph: np.ndarray) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.png").write_bytes(save_png(photograph[:40, :50]))
    (tmp_path / "sub" / "b.png").write_bytes(save_png(photograph[:30, :20, 0]))
    (tmp_path / "deep.png").write_bytes(save_png(np.arange(400, dtype=np.uint16).reshape(20, 20)))
    (tmp_path / "bad.png").write_bytes(b"no picture")
    return tmp_path


def test_every_codec_is_measured_on_every_image(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([folder], api.Options(), (7,), folder / "report.json")
    rows = json.loads((folder / "report.json").read_text())
    assert {(Path(row["file"]).name, row["codec"]) for row in rows} >= {
        (f, c) for f in ("a.png", "b.png") for c in ("hpac", "png", "webp")
    } | {("deep.png", "hpac"), ("deep.png", "png")}
    assert ("deep.png", "webp") not in {(Path(row["file"]).name, row["codec"]) for row in rows}
    assert all(row["exact"] for row in rows)
    assert "bad.png" in capsys.readouterr().err


def test_a_codec_that_loses_is_caught(photograph: np.ndarray) -> None:
    samples = photograph[:20, :20]
    lossy = make_codecs(api.Options(), ())["png"]._replace(decode=lambda _data: samples ^ 1)
    assert not measure("a", "lossy", lossy, samples).exact


def test_no_images_is_no_success(tmp_path: Path) -> None:
    assert not run([tmp_path], api.Options(), (), None)
