"""What the report on files by many writers says of a file."""

from pathlib import Path

import numpy as np
import writers
from conftest import make_tiff

SAMPLES = np.arange(900, dtype=np.uint16).reshape(30, 30)


def test_files_are_told_apart_by_what_became_of_them(tmp_path: Path) -> None:
    files = {
        "coded.tif": make_tiff(SAMPLES),
        "kept.tif": make_tiff(SAMPLES, compression="zstd"),
        "none.tif": b"no picture",
    }
    fates = {}
    (tmp_path / "work").mkdir()
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        fates[name] = writers.find_fate(tmp_path / name, tmp_path / "work")
    assert {name: (fate.end, fate.transcoded) for name, fate in fates.items()} == {
        "coded.tif": ("bytes", ""),
        "kept.tif": ("whole", "fresh"),
        "none.tif": ("refused", ""),
    }


def test_the_photograph_of_every_writer_that_is_here_comes_back(tmp_path: Path) -> None:
    photograph = tmp_path / "photograph.png"
    photograph.write_bytes((Path(__file__).parent / "data" / "kodim23.png").read_bytes())
    from PIL import Image

    Image.open(photograph).crop((0, 0, 32, 24)).save(photograph)
    writers.make(tmp_path / "made", [photograph])
    (tmp_path / "work").mkdir()
    for file in sorted((tmp_path / "made").rglob("*.*")):
        assert writers.find_fate(file, tmp_path / "work").end in ("bytes", "whole"), file
