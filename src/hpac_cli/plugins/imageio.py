""".hpac in imageio: `import hpac_cli.plugins.imageio` once, then `imageio.v3.imread` and `imwrite`.

Unlike through Pillow, samples come as they are stored, of any type and number of channels, and of several frames one
is read without the others.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from imageio.config import FileExtension, PluginConfig, extension_list, known_extensions, known_plugins
from imageio.core.request import URI_BYTES, InitializationError, IOMode, Request
from imageio.core.v3_plugin_api import ImageProperties, PluginV3
from numpy.typing import NDArray

from hpac_cli import api
from hpac_cli.errors import HpacError

NAME = "HPAC"
_MOST_CHANNELS = 4


class HpacPlugin(PluginV3):
    """One .hpac file."""

    def __init__(self, request: Request) -> None:
        """Open it.

        Raises:
            InitializationError: it is none.
        """
        super().__init__(request)
        self._picture: api.Picture | None = None
        if request.mode.io_mode is IOMode.write:
            if (request.extension or request.format_hint) != api.SUFFIX:
                raise InitializationError(f"hpac writes {api.SUFFIX} files only")
            return
        try:
            self._picture = api.open_picture(request.get_file())
        except HpacError as error:
            raise InitializationError(str(error)) from error

    @property
    def _opened(self) -> api.Picture:
        if self._picture is None:
            raise OSError("the file was opened for writing")
        return self._picture

    def _numbers(self, index: Any) -> list[int]:
        """Frames that are meant.

        Raises:
            IndexError: there is none of that number.
        """
        pictures = self._opened.pictures
        return list(pictures) if index in (None, Ellipsis) else [pictures[index]]

    def read(self, *, index: Any = None) -> NDArray[Any]:
        """Decode one picture, (H, W) or (H, W, C); or, without an index, all of a file, one upon the other.

        Raises:
            OSError: they differ in shape or type, or the file is damaged.
        """
        try:
            pictures = [_flat(self._opened.read(frame=number)) for number in self._numbers(index)]
            is_one = len(pictures) == 1 and index is not Ellipsis
            return pictures[0] if is_one else np.stack(pictures)
        except (HpacError, ValueError) as error:
            raise OSError(str(error)) from error

    def iter(self) -> Iterator[NDArray[Any]]:
        """Decode one picture after the other."""
        return (self.read(index=number) for number in range(len(self._opened.pictures)))

    def write(
        self, ndimage: Any, *, is_batch: bool | None = None, effort: int = api.DEFAULT, tile: int = 0
    ) -> bytes | None:
        """Encode one image, or several of one shape.

        Args:
            ndimage: (H, W), (H, W, C), (N, H, W) or (N, H, W, C), or a list of images.
            is_batch: whether the first axis counts images; None to tell by a list, four axes, or a last one above 4.
            effort: 1 to 9: higher is smaller and takes longer.
            tile: tile side in pixels; 0 for one that suits the image.

        Raises:
            OSError: of a type that hpac does not take.
        """
        array = np.asarray(ndimage)
        if is_batch is None:
            is_batch = (
                isinstance(ndimage, list) or array.ndim == 4 or (array.ndim == 3 and array.shape[2] > _MOST_CHANNELS)
            )
        if is_batch and array.ndim == 3:
            array = array[..., None]
        try:
            data = api.encode(array, effort=effort, tile=tile)
        except HpacError as error:
            raise OSError(str(error)) from error
        file = self.request.get_file()
        file.write(data)
        return data if self.request._uri_type == URI_BYTES else None

    def properties(self, index: Any = None) -> ImageProperties:
        """Shape and type of what `read` gives, without decoding."""
        numbers = self._numbers(index)
        frame = self._opened.frame(numbers[0])
        shape = frame.shape[:2] if frame.shape[2] == 1 else frame.shape
        if len(numbers) == 1 and index is not Ellipsis:
            return ImageProperties(shape=shape, dtype=frame.dtype)
        return ImageProperties((len(numbers), *shape), frame.dtype, n_images=len(numbers), is_batch=True)

    def metadata(self, index: Any = None, exclude_applied: bool = True) -> dict[str, Any]:
        """What the file says of itself, as `hpac info --json` does; there is no more for single pictures."""
        return {} if index not in (None, Ellipsis) else self._opened.metadata


def _flat(samples: NDArray[Any]) -> NDArray[Any]:
    """One channel as (H, W), as imageio has it."""
    return samples[..., 0] if samples.shape[2] == 1 else samples


def register() -> None:
    """Make imageio know .hpac; importing this module does."""
    if NAME in known_plugins:
        return
    known_plugins[NAME] = PluginConfig(NAME, HpacPlugin.__name__, __name__)
    extension = FileExtension(extension=api.SUFFIX, priority=[NAME], name="Lossless image compression by HPAC")
    extension_list.append(extension)
    known_extensions[api.SUFFIX] = [extension]


register()
