"""Files handed to a cluster, and files that have URLs: the same outcomes, and nothing is lost with a worker."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import hpac, save_png

from hpac_cli import api
from hpac_cli.batch import actions
from hpac_cli.batch.sources import find_sources
from hpac_cli.batch.targets import plan_decoding, plan_encoding
from hpac_cli.batch.tasks import Task
from hpac_cli.batch.work import attempt
from hpac_cli.errors import FileAccessError

fsspec = pytest.importorskip("fsspec")
distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Two worker processes that start again when they are killed."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def pictures(tmp_path: Path, photograph: np.ndarray) -> dict[str, bytes]:
    return {f"{i}.png": save_png(photograph[40 * i : 40 * i + 30, 100:140]) for i in range(6)}


@pytest.fixture
def remote(pictures: dict[str, bytes]) -> Iterator[str]:
    """A folder of pictures in a file system that is none of this machine's."""
    system = fsspec.filesystem("memory")
    for name, data in pictures.items():
        system.pipe_file(f"/in/deep/{name}", data)
    yield "memory://in"
    system.rm("/", recursive=True)


def no_png(head: bytes, _name: str) -> str:
    return "" if head.startswith(b"\x89PNG") else "other"


def test_urls_go_out_and_come_back(remote: str, pictures: dict[str, bytes]) -> None:
    session, removing, system = api.Session(), api.Session(api.Options(remove_source=True)), fsspec.filesystem("memory")
    sources = find_sources([remote], recursive=True, why_not=no_png).sources
    for task in plan_encoding(sources, output=None, output_dir="memory://packed"):
        assert attempt(task, session, actions.encode).status == "done"
    assert sorted(system.find("/packed")) == [f"/packed/deep/{i}.png.hpac" for i in range(6)]
    sources = find_sources(
        ["memory://packed"], recursive=True, why_not=lambda _, n: "" if n.endswith(".hpac") else "other"
    ).sources
    for task in plan_decoding(sources, output=None, output_dir="memory://back"):
        outcome = attempt(task, removing, actions.decode)
        assert outcome.output.startswith("memory://back/deep/")
    assert {name: system.cat_file(f"/back/deep/{name}") for name in pictures} == pictures
    assert not system.find("/packed")


def test_an_existing_url_is_refused_or_skipped_if_it_is_of_this_source(remote: str) -> None:
    fsspec.filesystem("memory").pipe_file("/out/0.png.hpac", b"precious")
    (task,) = plan_encoding(
        find_sources([f"{remote}/deep/0.png"], recursive=False, why_not=no_png).sources,
        output=None,
        output_dir="memory://out",
    )
    assert attempt(task, api.Session(), actions.encode).exit_code == 6
    skipping = api.Session(api.Options(skip_existing=True))
    assert attempt(task, skipping, actions.encode).exit_code == 6
    assert fsspec.filesystem("memory").cat_file("/out/0.png.hpac") == b"precious"
    assert attempt(task, api.Session(api.Options(force=True)), actions.encode).status == "done"
    assert attempt(task, skipping, actions.encode).status == "skipped"


def test_what_comes_from_a_url_gets_the_very_name_of_a_path(remote: str, tmp_path: Path) -> None:
    odd = tmp_path / "a b" / "100%41.hpac"
    (task,) = plan_encoding(
        find_sources([f"{remote}/deep/0.png"], recursive=False, why_not=no_png).sources,
        output=str(odd),
        output_dir=None,
    )
    assert attempt(task, api.Session(), actions.encode).status == "done"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [odd]


@pytest.mark.parametrize("url", ["memory://nothing/here.png", "nonsense://x/y.png"])
def test_what_cannot_be_reached_is_one_line(url: str) -> None:
    result = hpac("check", url)
    assert result.returncode in (2, 7)
    assert len(result.stderr.splitlines()) == 1


def test_a_folder_that_cannot_be_reached_is_one_line() -> None:
    result = hpac("check", "-r", "nonsense://x/y")
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1


def test_what_a_store_raises_is_no_fault_of_hpac(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **_options: object) -> None:
        raise StrangeError("no credentials")

    class StrangeError(Exception):
        pass

    store = type(fsspec.filesystem("memory"))
    monkeypatch.setattr(store, "get_file", refuse)
    monkeypatch.setattr(store, "open", refuse)
    outcome = attempt(Task("memory://store/a.png", None, None), api.Session(), actions.check)
    assert (outcome.exit_code, outcome.error) == (7, "cannot reach memory://store/a.png: no credentials")
    with pytest.raises(FileAccessError, match="no credentials"):
        api.open_picture("memory://store/a.hpac")


def test_urls_are_listed_and_described(tmp_path: Path, pictures: dict[str, bytes]) -> None:
    (tmp_path / "0.png").write_bytes(pictures["0.png"])
    assert hpac("encode", tmp_path / "0.png").returncode == 0
    url = (tmp_path / "0.png.hpac").as_uri()
    for command in ("list", "info"):
        (facts, *_) = map(json.loads, hpac(command, "--json", url).stdout.splitlines())
        assert (facts["file"], facts["source_bytes"]) == (url, len(pictures["0.png"]))


def test_a_url_on_the_command_line(tmp_path: Path, pictures: dict[str, bytes]) -> None:
    (tmp_path / "0.png").write_bytes(pictures["0.png"])
    url = (tmp_path / "0.png").as_uri()
    assert hpac("encode", url).returncode == 0
    (tmp_path / "0.png").unlink()
    assert hpac("decode", (tmp_path / "0.png.hpac").as_uri()).returncode == 0
    assert (tmp_path / "0.png").read_bytes() == pictures["0.png"]


@pytest.fixture
def folder(tmp_path: Path, pictures: dict[str, bytes]) -> Path:
    (tmp_path / "photos").mkdir()
    for name, data in pictures.items():
        (tmp_path / "photos" / name).write_bytes(data)
    return tmp_path / "photos"


def summary(result: subprocess.CompletedProcess[bytes]) -> dict:
    return json.loads(result.stdout.splitlines()[-1])["summary"]


def test_a_cluster_encodes_checks_and_decodes(scheduler: str, folder: Path, pictures: dict[str, bytes]) -> None:
    assert hpac("check", "-r", folder, "--scheduler", scheduler, "-q").returncode == 0
    coded = hpac("encode", "-r", folder, "--scheduler", scheduler, "--json", "--remove-source")
    assert (coded.returncode, summary(coded)["done"]) == (0, 6)
    alone = hpac("encode", "-", "-o", "-", data=pictures["3.png"]).stdout
    assert (folder / "3.png.hpac").read_bytes() == alone
    assert hpac("decode", "-r", folder.as_uri(), "--scheduler", scheduler, "-q").returncode == 0
    assert {name: (folder / name).read_bytes() for name in pictures} == pictures


def test_a_cluster_refuses_and_skips_what_exists(scheduler: str, folder: Path) -> None:
    (folder / "2.png.hpac").write_bytes(b"precious")
    refused = hpac("encode", "-r", folder, "--scheduler", scheduler, "--json")
    assert (refused.returncode, summary(refused)["failed"], summary(refused)["done"]) == (1, 1, 5)
    skipped = hpac("encode", "-r", folder, "--scheduler", scheduler, "--json", "--skip-existing")
    assert (skipped.returncode, summary(skipped)["skipped"], summary(skipped)["failed"]) == (1, 5, 1)
    assert (folder / "2.png.hpac").read_bytes() == b"precious"


def test_no_scheduler_is_one_line(folder: Path) -> None:
    result = hpac("encode", folder / "0.png", "--scheduler", "tcp://127.0.0.1:9")
    assert result.returncode == 7
    assert b"no Dask scheduler" in result.stderr


def test_a_worker_killed_in_the_middle_loses_nothing(scheduler: str, folder: Path, photograph: np.ndarray) -> None:
    for i in range(6):
        (folder / f"large{i}.png").write_bytes(save_png(photograph[:, 20 * i : 20 * i + 400]))
    command = [sys.executable, "-m", "hpac_cli", "encode", "-r", str(folder), "--scheduler", scheduler, "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with distributed.Client(scheduler, set_as_default=False) as client:
        end = time.monotonic() + 60
        while not list(folder.glob("large*.hpac")) and time.monotonic() < end:
            time.sleep(0.05)
        victim = next(iter(client.run(os.getpid).values()))
        killer = threading.Thread(target=os.kill, args=(victim, signal.SIGKILL))
        killer.start()
        killer.join()
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert json.loads(out.splitlines()[-1])["summary"]["done"] == 12
    assert hpac("verify", *folder.glob("*.hpac"), "-q").returncode == 0
    assert len(list(folder.glob("*.hpac"))) == 12
