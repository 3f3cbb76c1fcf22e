"""Nothing is lost or given out wrong: each check stands in the way of one harm (tests/mutants.py takes them out)."""

import contextlib
import hashlib
import io
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from conftest import make_dicom, make_tiff, save_png
from test_container import chunk

import hpac_cli
from hpac_cli import api, files, images
from hpac_cli.api import encoding, streams
from hpac_cli.batch import actions, urls
from hpac_cli.batch.tasks import Source, Task
from hpac_cli.batch.work import attempt
from hpac_cli.binary import put_varint
from hpac_cli.container import fields, parse
from hpac_cli.container.fields import FRAME, SIGNATURE, Frame, Part, build_frame
from hpac_cli.errors import (
    ContainerError,
    FileAccessError,
    HpacError,
    LimitExceededError,
    OutputExistsError,
    RoundTripError,
    UsageError,
)
from hpac_cli.image import Image, keep_whole
from hpac_cli.images import deflate
from hpac_cli.kept import Kept
from hpac_cli.limits import DEFAULT_LIMITS, Limits

RAMP = np.arange(400, dtype=np.uint8).reshape(20, 20)


@pytest.fixture
def session() -> api.Session:
    return api.Session()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    path.write_bytes(save_png(RAMP))
    return path


def read(data: bytes) -> Image:
    return images.read(data)


def encoded(image: Image, session: api.Session) -> bytes:
    stream = io.BytesIO()
    session.encode(image, stream)
    return stream.getvalue()


# Encoding


class Wrong(api.Session):
    """Encodes something else than it was given, whole and valid as such."""

    def encode(self, image: Image, stream: BinaryIO) -> None:
        super().encode(read(save_png(RAMP + 1)), stream)


class Broken(api.Session):
    """Encodes what cannot be decoded."""

    def encode(self, image: Image, stream: BinaryIO) -> None:
        whole = io.BytesIO()
        super().encode(image, whole)
        stream.write(whole.getvalue()[:-1])


@pytest.mark.parametrize("kind", [Wrong, Broken])
def test_nothing_gets_its_name_that_does_not_decode_to_its_source(kind: type[api.Session], picture: Path) -> None:
    with pytest.raises(RoundTripError):
        api.compress(str(picture), None, kind())
    assert os.listdir(picture.parent) == ["a.png"]


def test_a_source_whose_encoding_is_wrong_is_not_removed(picture: Path) -> None:
    options = api.Options(remove_source=True)
    outcome = attempt(Task(str(picture), f"{picture}.hpac", None), Wrong(options), actions.encode)
    assert outcome.exit_code == RoundTripError.exit_code
    assert picture.exists()


def check(image: Image, against: Image, session: api.Session) -> None:
    encoding.check_round_trip(encoding.Expected.of(against), io.BytesIO(encoded(image, session)), session)


def test_a_round_trip_needs_the_same_file(session: api.Session) -> None:
    image = images.read(lzma_tiff(), transcode=True)
    check(image, image, session)
    with pytest.raises(RoundTripError):
        check(image, replace(image, made_hash=bytes(32)), session)


def test_a_round_trip_needs_the_same_samples(session: api.Session) -> None:
    image = read(save_png(RAMP))
    with pytest.raises(RoundTripError):
        check(image, replace(image, frames=(image.frames[0] + 1,)), session)


def test_a_round_trip_needs_the_hash_of_its_source(session: api.Session) -> None:
    image = replace(read(save_png(RAMP)), identical=False)
    with pytest.raises(RoundTripError):
        check(image, replace(image, file_hash=bytes(32)), session)


def test_a_round_trip_needs_the_same_file_kept_whole(session: api.Session) -> None:
    one, other = (
        keep_whole(io.BytesIO(d), "file", Kept.NO_PICTURE, hashlib.sha256(d).digest()) for d in (b"one", b"two")
    )
    check(one, one, session)
    for wrong in (other, replace(one, kind="png")):
        with pytest.raises(RoundTripError):
            check(one, wrong, session)


def test_a_source_that_changes_while_it_is_hashed_is_refused(
    picture: Path, session: api.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hash_it(stream: BinaryIO) -> bytes:
        digest = hashlib.sha256(stream.read()).digest()
        picture.write_bytes(picture.read_bytes() + b"more")
        return digest

    monkeypatch.setattr(api.streams, "hash_stream", hash_it)
    with pytest.raises(FileAccessError, match="changed"), api.streams.open_source(str(picture)):
        pass


def test_a_source_that_changes_after_it_was_hashed_is_refused() -> None:
    with pytest.raises(FileAccessError, match="changed"):
        images.read_stream(io.BytesIO(save_png(RAMP)), hashlib.sha256(b"what it was").digest())


def lzma_tiff() -> bytes:
    """A file whose compression is not made again."""
    return make_tiff(RAMP, compression="lzma")


def test_a_file_that_is_not_made_again_is_not_said_to_be() -> None:
    data = lzma_tiff()
    image = images.read(data, transcode=True)
    assert image.frames
    assert image.identical == (images.write(image) == data)


def write_something_else(image: Image) -> Iterator[bytes]:
    return iter([image.whole.getvalue() if isinstance(image.whole, io.BytesIO) else save_png(RAMP)])


def test_a_file_that_is_made_again_wrongly_is_kept_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "write_pieces", write_something_else)
    image = read(save_png(RAMP + 1))
    assert (image.frames, image.kept) == ((), Kept.DIFFERENT)


def test_a_file_whose_copy_is_not_proved_is_kept_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "write_pieces", write_something_else)
    assert not images.read(lzma_tiff(), transcode=True).frames


# Decoding


def end_of(data: bytes, samples: bytes, file: bytes) -> bytes:
    """Replace the end chunk of a tiny container of a file."""
    return data[: -(16 + 6)] + chunk(b"E", samples + file)


def test_samples_that_do_not_match_their_hash_are_refused(session: api.Session) -> None:
    data = encoded(read(save_png(RAMP)), session)
    assert session.decode(session.open(io.BytesIO(data))).frames
    with pytest.raises(ContainerError, match="samples do not match"):
        session.decode(session.open(io.BytesIO(end_of(data, bytes(8), data[-12:-4]))))


@pytest.mark.parametrize("command", ["decode", "verify"])
def test_a_file_that_does_not_match_its_hash_is_not_given_out(
    command: str, picture: Path, session: api.Session
) -> None:
    data = encoded(read(save_png(RAMP)), session)
    wrong = picture.with_name("b.png.hpac")
    wrong.write_bytes(end_of(data, data[-20:-12], bytes(8)))
    with pytest.raises(HpacError):
        api.decompress(str(wrong), None, session) if command == "decode" else api.verify(str(wrong), session)
    assert not picture.with_name("b.png").exists()


def test_nothing_of_a_file_that_does_not_match_its_hash_goes_to_standard_output(
    picture: Path, session: api.Session, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    data = encoded(read(save_png(RAMP)), session)
    wrong = picture.with_name("b.png.hpac")
    wrong.write_bytes(end_of(data, data[-20:-12], bytes(8)))
    with pytest.raises(HpacError):
        api.decompress(str(wrong), "-", session)
    assert capsysbinary.readouterr().out == b""


def test_tiles_must_be_as_many_as_the_frames_have(session: api.Session) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (16, 16), np.uint8)
    data = hpac_cli.encode(noise, tile=8)
    reader = parse.Reader(io.BytesIO(data), DEFAULT_LIMITS)
    tiles = [chunk.size for chunk in reader.tiles()]
    start = len(data) - reader.sizes["end"] - sum(tiles)
    last = data[-reader.sizes["end"] - tiles[-1] : -reader.sizes["end"]]
    fewer = data[: start + sum(tiles[:-1])] + data[-reader.sizes["end"] :]
    body = last[1 + 1 : -4] if last[1] < 128 else last[1 + 2 : -4]
    again = chunk(b"T", bytes([len(tiles)]) + body[1:])
    more = data[: -reader.sizes["end"]] + again + data[-reader.sizes["end"] :]
    for wrong, message in ((fewer, "missing"), (more, "more tiles")):
        with pytest.raises(ContainerError, match=message):
            hpac_cli.decode(wrong)


@pytest.mark.parametrize("junk", [b"junk", b"\0"])
def test_nothing_follows_a_compressed_stream(junk: bytes) -> None:
    with pytest.raises(ContainerError, match="damaged"):
        parse.inflate(zlib.compress(b"data") + junk, 100)


def test_a_deflate_stream_cannot_hold_more_than_it_may() -> None:
    with pytest.raises(LimitExceededError):
        deflate.decompress(zlib.compress(bytes(101)), 100)


# Limits


@pytest.mark.parametrize("limits", [DEFAULT_LIMITS, Limits(max_pixels=100)], ids=["by default", "tightened"])
def test_pixels_beyond_the_limit_are_refused_by_all(limits: Limits, tmp_path: Path) -> None:
    side = 10 if limits.max_pixels == 100 else 13_377
    for width, allowed in ((side, True), (side + 1, False)):
        header = b"IHDR" + width.to_bytes(4, "big") + side.to_bytes(4, "big") + b"\x01\0\0\0\0"
        data = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + header + zlib.crc32(header).to_bytes(4, "big")
        data += b"\0\0\0\0IEND" + zlib.crc32(b"IEND").to_bytes(4, "big")
        if allowed:
            assert not images.read(data, limits).frames
        else:
            with pytest.raises(LimitExceededError, match="pixels in all"):
                images.read(data, limits)
    frame = chunk(FRAME, build_frame(Frame(side + 1, side, "u1", 8, (Part(1, 0),))))
    with pytest.raises(LimitExceededError, match="pixels in all"):
        parse.Reader(io.BytesIO(SIGNATURE + b"\1\0" + chunk(b"H", b"\0\0\1\0") + frame), limits)


def test_sides_beyond_the_limit_are_refused() -> None:
    frame = chunk(FRAME, build_frame(Frame((1 << 24) + 1, 1, "u1", 8, (Part(1, 0),))))
    with pytest.raises(ContainerError, match="each side"):
        parse.Reader(io.BytesIO(SIGNATURE + b"\1\0" + chunk(b"H", b"\0\0\1\0") + frame), DEFAULT_LIMITS)


def test_more_frames_than_the_limit_are_refused_by_their_number() -> None:
    with pytest.raises(LimitExceededError, match="70,000 frames"):
        parse.Reader(
            io.BytesIO(SIGNATURE + b"\1\0" + chunk(b"H", b"\0\0" + put_varint(70_000) + b"\0")), DEFAULT_LIMITS
        )


def test_little_cannot_claim_much_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "_FREE_BYTES", 1 << 20)
    packed = zlib.compress(bytes((1 << 20) + 1), 9)
    head = SIGNATURE + b"\1\0" + chunk(b"H", b"\2\0\1\0") + chunk(b"M", put_varint(fields.Packing.ZLIB) + packed)
    with pytest.raises(LimitExceededError, match="holds more than"):
        parse.Reader(io.BytesIO(head), DEFAULT_LIMITS)


# Files


def test_an_output_that_exists_is_refused(picture: Path) -> None:
    with pytest.raises(OutputExistsError):
        files.check_output(picture, source="-", force=False)


def no_links(*_: object) -> None:
    raise OSError(1, "no links here")


def test_threads_that_ask_for_usual_permissions_change_none() -> None:
    before = os.umask(0o027)
    try:
        with ThreadPoolExecutor(8) as pool:
            modes = set(pool.map(lambda _: files.usual_mode(0o666), range(20_000)))
        assert modes == {0o640}
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


WAYS = ("links", "renames to free names", "neither")
"""What a file system may have, so that a name is given to one file alone."""


def have_only(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what comes before a way."""
    if way != "links":
        monkeypatch.setattr(os, "link", no_links)
    if way == "neither":
        monkeypatch.setattr(files, "_rename_to_new", no_links)


@pytest.mark.parametrize("way", WAYS)
def test_an_output_that_appears_meanwhile_is_left_alone(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    have_only(way, monkeypatch)
    monkeypatch.setattr(Path, "exists", lambda _self: False)  # it appears just after somebody looked
    target = tmp_path / "x"

    def write() -> None:
        with files.atomic_output(target, force=False) as file:
            file.write(b"ours")
            target.write_bytes(b"theirs")

    with pytest.raises(OutputExistsError):
        write()
    assert target.read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("way", WAYS)
def test_a_file_system_without_links_will_do(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    have_only(way, monkeypatch)
    with files.atomic_output(tmp_path / "x", force=False) as file:
        file.write(b"ours")
    assert (tmp_path / "x").read_bytes() == b"ours"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a rename that replaces nothing")
def test_without_links_no_empty_file_has_the_name_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    have_only("renames to free names", monkeypatch)
    monkeypatch.setattr(files, "_claim", lambda _path: pytest.fail("a kill -9 now would leave an empty file"))
    with files.atomic_output(tmp_path / "x", force=False) as file:
        file.write(b"ours")
    assert (tmp_path / "x").read_bytes() == b"ours"


def test_an_output_is_on_disk_before_and_its_name_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, seen = tmp_path / "x", list[tuple[int, bool]]()
    sync = os.fsync

    def fsync(number: int) -> None:
        seen.append((os.fstat(number).st_ino, target.exists()))
        sync(number)

    monkeypatch.setattr(os, "fsync", fsync)
    with files.atomic_output(target, force=False) as file:
        file.write(b"ours")
    assert seen == [(target.stat().st_ino, False), (tmp_path.stat().st_ino, True)]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_owner_and_time_come_back_for_root(picture: Path, session: api.Session) -> None:
    os.chown(picture, 12345, 23456)
    os.utime(picture, ns=(10**18, 10**18 + 1))
    api.compress(str(picture), None, session)
    picture.unlink()
    api.decompress(f"{picture}.hpac", None, session)
    facts = picture.stat()
    assert (facts.st_uid, facts.st_gid, facts.st_mtime_ns) == (12345, 23456, 10**18 + 1)


# Sources that are removed


def remove_after(picture: Path, action: actions.Action) -> str:
    """Encode and remove a picture, with something done beside; return what is complained of."""
    session = api.Session(api.Options(remove_source=True))
    return attempt(Task(str(picture), f"{picture}.hpac", None), session, action).error


def test_a_source_that_changed_meanwhile_is_kept(picture: Path) -> None:
    def encode(task: Task, session: api.Session) -> api.Result:
        result = actions.encode(task, session)
        picture.write_bytes(b"something newer")
        return result

    assert "changed while it was read" in remove_after(picture, encode)
    assert picture.read_bytes() == b"something newer"


def test_a_source_that_changes_while_it_is_looked_at_a_last_time_is_kept(
    picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hash_stream = api.hash_stream

    def hash_and_change(stream: BinaryIO) -> bytes:
        digest = hash_stream(stream)
        if Path(f"{picture}.hpac").exists():
            picture.write_bytes(b"something newer")
        return digest

    monkeypatch.setattr(api, "hash_stream", hash_and_change)
    assert "changed while it was read" in remove_after(picture, actions.encode)
    assert picture.read_bytes() == b"something newer"


def test_a_file_of_a_series_that_changes_while_others_are_looked_at_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for name in names:
        name.write_bytes(b"text")
    members = tuple(Source(str(name), name.name) for name in names)
    output, hash_stream = tmp_path / "s.hpac", api.hash_stream

    def hash_and_change(stream: BinaryIO) -> bytes:
        if output.exists() and stream.name == str(names[1]):
            names[0].write_bytes(b"something newer")
        return hash_stream(stream)

    monkeypatch.setattr(api, "hash_stream", hash_and_change)
    session = api.Session(api.Options(remove_source=True))
    outcome = attempt(Task("series", str(output), None, members=members), session, actions.encode)
    assert "changed while it was read" in outcome.error
    assert names[0].read_bytes() == b"something newer"


def test_a_source_that_changed_and_changed_back_is_kept(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compress, before, times = api.compress, picture.read_bytes(), picture.stat()

    def compress_another(source: str, target: str | None, session: api.Session) -> api.Result:
        picture.write_bytes(save_png(RAMP + 1))
        result = compress(source, target, session)
        picture.write_bytes(before)
        os.utime(picture, ns=(times.st_atime_ns, times.st_mtime_ns))
        return result

    monkeypatch.setattr(api, "compress", compress_another)
    assert "changed back" in remove_after(picture, actions.encode)
    assert picture.read_bytes() == before


@pytest.mark.skipif(not os.path.exists("/proc/self/fd/0"), reason="no /proc here")
def test_a_link_of_the_system_is_not_removed(picture: Path, tmp_path: Path) -> None:
    with picture.open("rb") as stream:
        link = tmp_path / "stdin"
        link.symlink_to(f"/proc/self/fd/{stream.fileno()}")
        assert "only a file on disk" in remove_after(link, actions.encode)
    assert link.is_symlink()


def test_a_source_is_kept_if_its_output_is_not_as_it_was_written(picture: Path) -> None:
    def encode(task: Task, session: api.Session) -> api.Result:
        result = actions.encode(task, session)
        Path(result.output).write_bytes(b"cut short")
        return result

    assert "not as it was written" in remove_after(picture, encode)
    assert picture.exists()


def test_no_source_is_removed_for_what_was_not_verified(picture: Path) -> None:
    with pytest.raises(UsageError, match="compared"):
        api.compress(str(picture), None, api.Session(api.Options(remove_source=True, verify=False)))


def test_no_source_is_removed_for_an_output_to_nowhere(picture: Path) -> None:
    with pytest.raises(UsageError, match="file on disk"):
        api.compress(str(picture), "/dev/null", api.Session(api.Options(remove_source=True)))


@pytest.mark.parametrize("is_right", [True, False])
def test_what_was_put_at_a_url_is_read_back_before_its_source_goes(
    is_right: bool, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    put = urls._put

    def put_wrongly(copy: str, name: str, *, force: bool) -> None:
        put(copy, name, force=force)
        if not is_right:
            system.pipe_file(name, system.cat_file(name)[:-1])

    monkeypatch.setattr(urls, "_put", put_wrongly)
    session = api.Session(api.Options(remove_source=True))
    target = f"memory://safety-{is_right}/a.png.hpac"
    outcome = attempt(Task(str(picture), target, None), session, actions.encode)
    assert (outcome.status, picture.exists()) == (("done", False) if is_right else ("failed", True))


# The network

_WATCHED = """
import sys
opened = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        opened.append(event)
    if event == "socket.__new__" and arguments[1] != getattr(__import__("socket"), "AF_UNIX", None):
        opened.append(event)
sys.addaudithook(watch)
from hpac_cli.cli import main
try:
    main()
finally:
    print("network:", *opened, file=sys.stderr)
"""


def test_no_socket_is_opened(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(save_png(RAMP))
    (tmp_path / "b.dcm").write_bytes(make_dicom(RAMP))
    (tmp_path / "c.tif").write_bytes(make_tiff(RAMP))
    pictures = [str(tmp_path / name) for name in ("a.png", "b.dcm", "c.tif")]
    packed = [f"{name}.hpac" for name in pictures]
    for command in (["encode", *pictures], ["info", *packed], ["decode", "-f", *packed], ["check", *pictures]):
        done = subprocess.run([sys.executable, "-c", _WATCHED, *command], capture_output=True, timeout=120)
        assert (done.returncode, done.stderr.splitlines()[-1]) == (0, b"network:"), command


def test_a_socket_would_be_noticed() -> None:
    code = _WATCHED.replace("from hpac_cli.cli import main", "import socket; main = socket.socket")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120)
    assert done.stderr.splitlines()[-1] == b"network: socket.__new__"


def test_an_input_that_fails_half_way_is_no_fault_of_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, _buffer: object) -> int:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(files, "open_input", lambda _source: contextlib.nullcontext(Failing()))
    with pytest.raises(FileAccessError, match="cannot read: Input/output error"), streams.open_source("-"):
        pass
