"""Open .hpac files, of which parts are read: only the tiles that they need, from files, streams and URLs."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from hpac_cli import files
from hpac_cli.errors import FileAccessError, UnsupportedError, UsageError
from hpac_cli.limits import DEFAULT_LIMITS, Limits

from .facts import describe_header
from .lazy import FrameArray, to_dask
from .parts import Region, find_pictures, read_part
from .remote import open_url
from .session import Options, Session
from .views import find_member, list_views, with_frame

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hpac_cli.codec.networks import Networks

CACHE_BYTES = 64 << 20
"""Of decoded samples that an open file keeps: as many as 128 slices of 512 x 512 and 16 bits have."""


class Picture:
    """An open .hpac file, or one file of a series in it. Threads may share it; `close` or the end of a with block closes it.

    Of a series as a whole the frames of all files are numbered through.
    """

    def __init__(
        self, stream: BinaryIO, name: str, session: Session, *, owned: bool, member: str | None, cache_bytes: int
    ) -> None:
        """Read the beginning of a file.

        Args:
            stream: seeks, and nobody else moves it; the file begins where it stands.
            name: a path or a URL by which it can be opened again; empty if there is none.
            owned: whether closing the picture closes the stream.
            member: a file of a series; None for all of what is there.
            cache_bytes: of decoded tiles that are kept.

        Raises:
            HpacError: any of errors.py.
        """
        from hpac_cli.codec.tile_cache import TileCache
        from hpac_cli.container.ranged import RangedReader

        self._stream, self._name, self._session, self._owned = stream, name, session, owned
        self._member, self._cache_bytes, self._cache = member, cache_bytes, TileCache(cache_bytes)
        self._merging = threading.Lock()
        with self._reading():
            self._reader = RangedReader(stream, session.options.limits)
        views = list(list_views(self._reader))
        self._views = views if member is None else [views[find_member(self._reader.header, member)]]

    @functools.cached_property
    def metadata(self) -> dict[str, Any]:
        """What the file says of itself, as `hpac info --json` does: kind, fidelity, frames and how they are coded."""
        return describe_header(self._reader, None if self._member is None else self._views[0])

    @property
    def members(self) -> tuple[str, ...]:
        """Names of the files of a series; each can be opened by itself. Of what is no series, or one file of it, none."""
        listed = self._reader.header.members if self._member is None else ()
        return tuple(os.fsdecode(member.name) for member in listed)

    @property
    def kind(self) -> str:
        """Of the source: png, tiff, dicom, pnm, bmp, npy, raw, array, array2d, arrays, file or series."""
        return self._views[0].kind if self._is_one else "series"

    @property
    def num_frames(self) -> int:
        """Frames or pages, thumbnails included; 0 of a file that was kept whole."""
        return sum(len(view.frames) for view in self._views)

    @functools.cached_property
    def pictures(self) -> tuple[int, ...]:
        """Numbers of the frames that are pictures, and no thumbnails, reduced copies or masks.

        Raises:
            UnsupportedError: the file was kept whole, or not all of its pictures are coded as samples.
        """
        if self._is_one:
            return tuple(find_pictures(self._views[0]))
        found: list[int] = []
        for view in self._views:
            with contextlib.suppress(UnsupportedError):
                found += (view.first + number for number in find_pictures(view))
        if not found:
            raise UnsupportedError("none of its files is coded as samples; decode it as it is")
        return tuple(found)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of the first picture.

        Raises:
            UnsupportedError: as `pictures`.
        """
        return self.frame().shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples of the first picture.

        Raises:
            UnsupportedError: as `pictures`.
        """
        return self.frame().dtype

    def frame(self, number: int | None = None) -> FrameArray:
        """One frame as an array that is read when it is sliced.

        Args:
            number: counted from 0; None for the first picture.

        Raises:
            UsageError: there is no such frame.
            UnsupportedError: as `pictures`.
        """
        from hpac_cli.codec.partial import check_frame

        number = self.pictures[0] if number is None else number
        check_frame(number, self.num_frames)
        facts = self.metadata["frames"][number]
        shape = facts["height"], facts["width"], facts["channels"]
        return FrameArray(self, number, shape, facts["sample_type"], facts["tile"])

    def read(self, *, region: Region | None = None, frame: int | None = None) -> NDArray[Any]:
        """Decode one frame, or a region of it; only checksums of the tiles that it needs are checked.

        Args:
            region: x, y, width, height in pixels; None for the whole frame.
            frame: counted from 0; None for the first picture.

        Returns:
            (H, W, C) samples as other readers see them, in the colours in which they are stored.

        Raises:
            UsageError: there is no such frame, or the region is not inside it.
            UnsupportedError: as `pictures`.
            HpacError: ContainerError, ModelError or FileAccessError of errors.py.
        """
        import numpy as np

        view = self._views[0]
        if not self._is_one:
            view, frame = with_frame(self._views, self.pictures[0] if frame is None else frame)
        with self._reading():
            samples = read_part(
                self._reader,
                self._session,
                view,
                frame=frame,
                region=region,
                merged=self._networks(),
                cache=self._cache,
            )
        return np.require(samples, requirements=["C", "W", "O"])

    def read_file(self) -> bytes:
        """Make the source file again, byte for byte or as good as `metadata` says; all checksums of it are checked.

        Raises:
            UsageError: it is a series as a whole.
            HpacError: any other of errors.py.
        """
        from hpac_cli.codec.partial import decode_member

        from .rebuilding import rebuild

        self._check_is_one()
        with self._reading():
            reader = self._session.open(self._own_stream())
            if self._member is None:
                image = self._session.decode(reader)
            else:
                number, threads = find_member(self._reader.header, self._member), max(1, self._session.options.threads)
                self._session.check_duration(self._views[0].frames)
                _, image = decode_member(reader, number, networks=self._networks(), threads=threads)
        return rebuild(image)

    def outline(self) -> BinaryIO:
        """The source file with zeros in the place of its samples, for libraries that read what stands around them.

        Nothing is decoded, and zeros take no room. Who asks closes it.

        Raises:
            UnsupportedError: of a kind whose samples do not stand in one piece with the rest (PNG, arrays), or the file
                was kept whole.
            UsageError: it is a series as a whole.
            InputError: damaged.
        """
        from hpac_cli.images import CUT
        from hpac_cli.images.splice import outline

        self._check_is_one()
        if self.kind not in CUT or not self.num_frames:
            raise UnsupportedError(f"there is no outline of a file of kind {self.kind}, or one that was kept whole")
        return outline(self._views[0].metadata, self._views[0].stand_ins())[1]

    def to_dask(self, frame: int | None = None) -> Any:
        """A lazy dask array, a chunk for each tile: (H, W, C) of one frame, or (N, H, W, C) of all pictures.

        Args:
            frame: counted from 0; None for all pictures.

        Raises:
            MissingPackageError: dask is not installed.
            UnsupportedError: as `pictures`, or these differ in shape or type.
        """
        chosen = self.pictures if frame is None else (frame,)
        return to_dask([self.frame(number) for number in chosen])

    def close(self) -> None:
        """Close the file, if it was opened by its name."""
        if self._owned:
            self._stream.close()

    def __enter__(self) -> Picture:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_owned", False):  # copies that dask sent elsewhere are closed by nobody
            self._stream.close()

    def __reduce__(self) -> Any:
        if not self._name:
            raise TypeError("only pictures that were opened by a path or URL can be sent elsewhere")
        options = self._session.options
        again = functools.partial(
            open_picture,
            member=self._member,
            threads=options.threads,
            limits=options.limits,
            cache_bytes=self._cache_bytes,
        )
        return again, (self._name,)

    @property
    def _is_one(self) -> bool:
        """Whether it is one file, alone or of a series."""
        return self._member is not None or not self._reader.header.is_series

    def _check_is_one(self) -> None:
        if not self._is_one:
            raise UsageError("it holds a series; name one file of it with member=")

    def _networks(self) -> Networks:
        with self._merging:
            return self._merged

    @functools.cached_property
    def _merged(self) -> Networks:
        return self._session.networks.adapted(self._reader.header.adapters)

    def _own_stream(self) -> BinaryIO:
        """The file with a place of its own, between whose reads other threads read."""
        from hpac_cli.codec.series import Extent

        with self._reader.alone() as stream:
            size = stream.seek(0, os.SEEK_END) - self._reader.start
        return Extent(self._reader.alone, self._reader.start, size)  # type: ignore[return-value]

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Translate what a file says against being read.

        Raises:
            FileAccessError: it cannot be read, or is closed.
        """
        if getattr(self._stream, "closed", False):
            raise FileAccessError(f"{self._name or 'the stream'} is closed")
        try:
            yield
        except (OSError, ValueError) as error:
            if isinstance(error, ValueError) and not getattr(self._stream, "closed", False):
                raise
            raise FileAccessError(f"cannot read {self._name or 'the stream'}: {error}") from error


def open_picture(
    file: str | os.PathLike[str] | BinaryIO,
    *,
    member: str | None = None,
    threads: int = 1,
    backend: str = "",
    limits: Limits = DEFAULT_LIMITS,
    cache_bytes: int = CACHE_BYTES,
) -> Picture:
    """Open an .hpac file, of which parts can be read.

    Args:
        file: a path, a URL (with fsspec), or a binary stream that seeks.
        member: of a series, the file that is meant, by its name; None for the frames of all.
        threads: to spread the tiles of one `read` over.
        backend: instruction set of the core, or "" for the fastest exact one; all give the same samples.
        limits: what is refused.
        cache_bytes: decoded samples that are kept at the most, for other regions and for frames that refer to these;
            those that were read least lately go first. 0 keeps none.

    Raises:
        FileAccessError: it cannot be read.
        UsageError: it holds no such member.
        MissingPackageError: it is a URL, and fsspec or what that needs is not installed.
        HpacError: ContainerError, NewerVersionError or LimitExceededError of errors.py.
    """
    session = Session(Options(threads=threads, backend=backend, limits=limits))
    if not isinstance(file, (str, os.PathLike)):
        return Picture(file, "", session, owned=False, member=member, cache_bytes=cache_bytes)
    name = os.fspath(file)
    stream = open_url(name) if files.is_url(name) else _open_path(name)
    try:
        return Picture(stream, name, session, owned=True, member=member, cache_bytes=cache_bytes)
    except BaseException:
        stream.close()
        raise


def _open_path(name: str) -> BinaryIO:
    try:
        return open(name, "rb")
    except FileNotFoundError as error:
        raise FileAccessError(f"{name}: no such file") from error
    except OSError as error:
        raise FileAccessError(f"{name}: cannot read: {error.strerror or error}") from error
