"""An image, opened: its header read and held to the limits, nothing decoded."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pillow_heif
from PIL import (
    AvifImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from functions.files.imaging.cleaning import gif, tiff, webp
from functions.files.imaging.cleaning.mapped import mapped
from functions.files.imaging.limits import Limits
from functions.files.imaging.metadata import Facts, facts_of
from functions.files.imaging.outcomes import Rejected

# They register what they decode; a file is given to that of its own type alone.
_PLUGINS: Final = (
    AvifImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
_FORMATS: Final = {
    "image/jpeg": ("JPEG", "MPO"),
    "image/png": ("PNG",),
    "image/webp": ("WEBP",),
    "image/gif": ("GIF",),
    "image/tiff": ("TIFF",),
    "image/heic": ("HEIF",),
    "image/heif": ("HEIF",),
    "image/avif": ("AVIF",),
}
_SYSTEM: Final = frozenset({errno.EFBIG, errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.EROFS})

# Our own limits come first, and are exact.
Image.MAX_IMAGE_PIXELS = None
pillow_heif.register_heif_opener(thumbnails=False)


@dataclass(frozen=True, slots=True)
class Opened:
    """An image of which only the header was read; `width` and `height` as stored, before any turning."""

    image: Image.Image
    media_type: str
    width: int
    height: int
    frames: int
    pages: int
    facts: Facts

    @property
    def orientation(self) -> int:
        """How what the decoder gives is to be turned, 1 to 8. Pillow turns a TIFF itself."""
        return 1 if self.media_type == "image/tiff" else self.facts.orientation


@contextmanager
def opened(path: Path, media_type: str, limits: Limits) -> Iterator[Opened]:
    """The image, until the block ends. Raises Rejected where it is beyond a limit, or cannot be read."""
    stated = _counted(path, media_type, limits)
    with reading():
        image = Image.open(path, formats=_FORMATS[media_type])
    with image:
        width, height = image.size
        frames = stated.frames
        if media_type in ("image/png", "image/avif"):
            frames = getattr(image, "n_frames", 1)
        _hold(width, height, frames, limits)
        yield Opened(image, media_type, width, height, frames, stated.pages, facts_of(image, path))


@dataclass(frozen=True, slots=True)
class _Counted:
    frames: int = 1
    pages: int = 1


def _counted(path: Path, media_type: str, limits: Limits) -> _Counted:
    """What is counted without the imaging library: that allocates a WebP's canvas, reads all of a GIF."""
    if media_type not in ("image/webp", "image/gif", "image/tiff"):
        return _Counted()
    with mapped(path) as content:
        if media_type == "image/tiff":
            return _Counted(pages=tiff.directories(content))
        width, height, frames = (webp.header if media_type == "image/webp" else gif.frames)(
            content, limits.frames
        )
    if frames == 0:
        raise Rejected("truncated")
    _hold(width, height, frames, limits)
    return _Counted(frames)


def _hold(width: int, height: int, frames: int, limits: Limits) -> None:
    if width < 1 or height < 1:
        raise Rejected("damaged")
    if width * height > limits.pixels:
        sizes = f"{width} × {height} pixels where {limits.pixels:,} are the most"  # noqa: RUF001 - the sign for it
        raise Rejected("too_many_pixels", f"The image has {sizes}.")
    if frames > limits.frames:
        raise Rejected("too_many_frames", f"The animation has more than {limits.frames} frames.")
    if frames > 1 and width * height * frames > limits.animation_pixels:
        raise Rejected("too_many_pixels", "The frames of the animation have too many pixels together.")


@contextmanager
def reading() -> Iterator[None]:
    """Whatever a decoder raises over a file becomes Rejected; what the system raises stays what it is."""
    try:
        yield
    except (Rejected, MemoryError):
        raise
    except UnidentifiedImageError:
        raise Rejected("damaged") from None
    except OSError as error:
        if error.errno in _SYSTEM:
            raise
        raise _rejected(error) from None
    except Exception as error:  # noqa: BLE001 - decoders raise whatever they stumble over
        raise _rejected(error) from None


def _rejected(error: Exception) -> Exception:
    said = str(error).lower()
    if "memory" in said or "security limit" in said:
        return Rejected("memory")
    if isinstance(error, EOFError) or any(
        word in said for word in ("truncated", "not enough data", "end of file")
    ):
        return Rejected("truncated")
    if any(word in said for word in ("unsupported", "not supported", "unknown pixel mode", "not available")):
        return Rejected("unsupported")
    return Rejected("damaged")
