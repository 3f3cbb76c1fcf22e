""".hpac in Pillow: `import hpac_cli.plugins.pillow` once, then Image.open and im.save.

imageio reads them through Pillow. Pictures that were PNG or TIFF open as Pillow opens those, palette,
profile and EXIF included, and so does what was kept whole, if Pillow knows its kind; what is saved becomes PNG or, where
that cannot hold it, TIFF when it is decoded by `hpac decode`. With `save_all=True` all frames are saved: an animation,
which has durations, as an animated PNG, anything else as pages.
"""

import io
from dataclasses import replace
from typing import IO, Any

import numpy as np
from PIL import Image, ImageFile, PngImagePlugin, UnidentifiedImageError

from hpac_cli import api, images
from hpac_cli.container.fields import SIGNATURE, Kind
from hpac_cli.container.parse import Reader
from hpac_cli.errors import HpacError
from hpac_cli.images import png
from hpac_cli.images.colours import show

FORMAT = "HPAC"
_MOST = (1 << 31) - 1
_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


class HpacImageFile(ImageFile.ImageFile):
    """An .hpac file; of PNG sources only the header is read before pixels are needed."""

    format = FORMAT
    format_description = "Lossless image compression by an autoregressive network"

    def _open(self) -> None:
        self._session = api.Session()
        try:
            self._reader = self._session.open(self.fp)  # type: ignore[arg-type]
            inner = _open_without_pixels(self._reader)
            if inner is None:
                inner = _to_pillow(self._session.decode(self._reader))
        except HpacError as error:
            raise SyntaxError(str(error)) from error
        self._inner: Image.Image | None = inner
        self._has_pixels = not isinstance(inner, PngImagePlugin.PngImageFile)
        self._take(inner)
        self.n_frames = getattr(inner, "n_frames", 1)
        self.is_animated = self.n_frames > 1

    def _take(self, inner: Image.Image) -> None:
        self._size, self._mode, self.info = inner.size, inner.mode, dict(inner.info)
        if inner.palette is not None:
            self.palette = inner.palette.copy()

    def load(self) -> Any:
        """Decode, when pixels are needed for the first time."""
        if self._inner is not None:
            self._decode()
            self._inner.load()
            self.im = self._inner.im
            self._take(self._inner)
            if self._exclusive_fp and self.fp:
                self.fp.close()
            self.fp = None
            if self.n_frames == 1:
                self._inner = None
        return Image.Image.load(self)

    def _decode(self) -> None:
        """Put a picture with pixels in the place of one without."""
        if not self._has_pixels:
            try:
                self._inner = _to_pillow(self._session.decode(self._reader))
            except HpacError as error:
                raise OSError(str(error)) from error
            self._has_pixels = True

    def load_prepare(self) -> None:
        """Nothing to prepare: pixels come whole."""

    def seek(self, frame: int) -> None:
        """Go to a page of a file that holds several, or to a frame of an animation."""
        if frame == self.tell():
            return
        if self._inner is None or not 0 <= frame < self.n_frames:
            raise EOFError(f"there is no frame {frame}")
        self._decode()
        self._inner.seek(frame)
        self._take(self._inner)

    def tell(self) -> int:
        """Say which page this is."""
        return 0 if self._inner is None else self._inner.tell()


def _open_without_pixels(reader: Reader) -> Image.Image | None:
    """What Pillow says of a PNG's header and chunks; None for other kinds."""
    if reader.header.kind is not Kind.PNG:
        return None
    if not reader.header.frames:
        return None
    (frame,) = reader.header.frames
    shape, itemsize = (frame.height, frame.width, frame.channels), int(frame.sample_type[1:])
    _, skeleton = png.open_envelope(reader.metadata, shape, itemsize)
    return Image.open(io.BytesIO(skeleton))


def _to_pillow(image: Any) -> Image.Image:
    """As Pillow opens the file; what it does not know is shown by its samples."""
    if image.members:
        image = images.see(image, colours=True)
    if image.kind in ("png", "tiff", "bmp", "pnm") or not image.frames:
        try:
            return Image.open(io.BytesIO(images.write(image)))
        except UnidentifiedImageError as error:
            if not image.frames:
                raise SyntaxError("the file was kept whole, and Pillow opens none of its kind") from error
    shown = image.frames
    if image.kind == "tiff":
        shown = show(image.kind, image.envelope, image.frames, dict(enumerate(image.frames)))
    frames = [_from_samples(samples) for samples in shown]
    if len(frames) == 1:
        return frames[0]
    file = io.BytesIO()
    frames[0].save(file, "tiff", save_all=True, append_images=frames[1:])
    return Image.open(file)


def _from_samples(samples: Any) -> Image.Image:
    """One frame of an array or of a DICOM file."""
    flat = samples[..., 0] if samples.shape[2] == 1 else samples
    if flat.dtype.kind == "i" and flat.dtype.itemsize < 4:
        flat = flat.astype(np.int32)
    if flat.dtype.kind in "iu" and flat.dtype.itemsize == 8 and flat.min() >= -_MOST - 1 and flat.max() <= _MOST:
        flat = flat.astype(np.int32)
    if flat.dtype == np.uint32 and flat.max() > _MOST:
        raise SyntaxError("Pillow has no mode for numbers of 2**31 and more")
    if flat.dtype.kind == "f" and flat.dtype.itemsize != 4:
        flat = flat.astype(np.float32)
    try:
        return Image.fromarray(np.ascontiguousarray(flat))
    except TypeError as error:
        raise SyntaxError(f"Pillow has no mode for {samples.shape[2]} channels of {samples.dtype}") from error


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(SIGNATURE)


def _save(image: Image.Image, stream: IO[bytes], _name: str | bytes) -> None:
    """Write as a PNG or TIFF file would hold it; options of im.save go to that, effort= and tile= to hpac."""
    options = dict(image.encoderinfo)
    options.pop("append_images", None)
    ours = _take_ours(options)
    file = io.BytesIO()
    if image.mode in _PNG_MODES:
        image.save(file, "png", **{"compress_level": 1, **options})
    else:
        image.save(file, "tiff", **options)
    _encode(file, stream, ours)


def _save_all(image: Image.Image, stream: IO[bytes], name: str | bytes) -> None:
    """Write all frames: as an animated PNG file would hold them where they have durations, else as pages of TIFF."""
    options = dict(image.encoderinfo)
    others = list(options.get("append_images", ()))
    if sum(getattr(each, "n_frames", 1) for each in (image, *others)) == 1:
        _save(image, stream, name)
        return
    ours = _take_ours(options)
    is_animated = "duration" in options or "duration" in image.info
    file = io.BytesIO()
    image.save(file, "png" if is_animated and image.mode in _PNG_MODES else "tiff", save_all=True, **options)
    _encode(file, stream, ours)


def _take_ours(options: dict[str, Any]) -> api.Options:
    """Take those options of im.save that are not Pillow's."""
    return api.Options(**{name: options.pop(name) for name in ("effort", "tile") if name in options})


def _encode(file: io.BytesIO, stream: IO[bytes], ours: api.Options) -> None:
    try:
        picture = images.read(file.getvalue())
        picture = replace(picture, suffix=images.SUFFIXES[picture.kind])
        api.Session(ours).encode(picture, stream)  # type: ignore[arg-type]
    except HpacError as error:
        raise OSError(str(error)) from error


def register() -> None:
    """Make Pillow know .hpac; importing this module does."""
    Image.register_open(FORMAT, HpacImageFile, _accept)
    Image.register_save(FORMAT, _save)
    Image.register_save_all(FORMAT, _save_all)
    Image.register_extension(FORMAT, api.SUFFIX)
    Image.register_mime(FORMAT, "image/x-hpac")


register()
