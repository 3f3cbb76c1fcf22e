"""Files behind URLs, reached through fsspec (an optional package): no more of them is fetched than is read."""

import contextlib
import io
from typing import BinaryIO

from hpac_cli import files
from hpac_cli.errors import FileAccessError, MissingPackageError, UsageError

_BUFFER_BYTES = 1 << 13
"""As much is fetched at once where little is asked for."""


def open_named(name: str) -> contextlib.AbstractContextManager[BinaryIO]:
    """Open a path, "-" for standard input, or a URL, for reading.

    Raises:
        HpacError: those of `files.open_input` and `open_url`.
    """
    return open_url(name) if files.is_url(name) else files.open_input(name)


def open_url(url: str) -> BinaryIO:
    """Open a file behind a URL, which seeks.

    Raises:
        MissingPackageError: fsspec is not installed.
        UsageError: what fsspec needs for this kind of URL is not installed, or there is no such kind.
        FileAccessError: it cannot be reached or read.
    """
    try:
        import fsspec
    except ImportError as error:
        raise MissingPackageError("URLs need fsspec: pip install 'hpac-cli[cluster]'") from error
    try:
        system, path = fsspec.url_to_fs(url)
        raw = system.open(path, "rb", cache_type="none")
    except (ImportError, ValueError) as error:
        raise UsageError(f"cannot reach {url}: {error}") from error
    except Exception as error:  # stores raise what they like: botocore's NoCredentialsError, say, is no OSError
        raise FileAccessError(f"cannot reach {url}: {error}") from error
    return io.BufferedReader(raw, _BUFFER_BYTES)
