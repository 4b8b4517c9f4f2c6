"""A still image, from its file to what renditions are made of: one decode, small as early as possible."""

from pathlib import Path
from typing import Final

from PIL import Image

from functions.files.imaging.colours import in_srgb, resizable
from functions.files.imaging.limits import RENDITIONS, Limits
from functions.files.imaging.opening import Opened, reading
from functions.files.imaging.outcomes import Format, Rejected, Rendition

LANCZOS: Final = Image.Resampling.LANCZOS
MEDIA_TYPES: Final[dict[Format, str]] = {
    "webp": "image/webp",
    "avif": "image/avif",
    "jpeg": "image/jpeg",
    "png": "image/png",
}
type Box = tuple[float, float, float, float]
SWAPPED: Final = frozenset({5, 6, 7, 8})
"""Orientations that turn by a quarter."""
# What undoes each orientation (CIPA DC-008, tag 274).
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ICON_PIXELS: Final = 64 * 64
_QUALITY: Final = 80


def shown_size(opened: Opened) -> tuple[int, int]:
    """Width and height as a viewer shows them."""
    size = opened.width, opened.height
    return (size[1], size[0]) if opened.orientation in SWAPPED else size


def decode(opened: Opened, within: tuple[float, float]) -> Image.Image:
    """Decode the whole file, to at least `within` pixels as stored: a JPEG in as few eighths as do.

    Raises Rejected: `truncated`, `damaged`.
    """
    image = opened.image
    with reading():
        if opened.media_type == "image/jpeg":
            image.draft(None, (max(1, int(within[0])), max(1, int(within[1]))))
        image.load()
    return image


def fitted(width: int, height: int, side: int) -> tuple[int, int]:
    """The size within a square that keeps the proportions and enlarges nothing; at least a pixel each way."""
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def shown(image: Image.Image, size: tuple[int, int], orientation: int, box: Box | None = None) -> Image.Image:
    """A decoded image, cut to `box` and resampled to `size` (both as stored), then turned, in sRGB."""
    profile = image.info.get("icc_profile")
    with reading():
        image = resizable(image)
        if image.size != size or box is not None:
            image = image.resize(size, LANCZOS, box=box, reducing_gap=3.0)
        if orientation in _TURNS:
            image = image.transpose(_TURNS[orientation])
    return in_srgb(image, profile if isinstance(profile, bytes) else None)


def save(image: Image.Image, path: Path, format_: Format, quality: int, limits: Limits) -> None:
    """Write an RGB or RGBA image. Raises Rejected: `output`."""
    match format_:
        case "webp":
            # Icons would lose their colours to chroma subsampling, and gain nothing.
            small = image.width * image.height <= _ICON_PIXELS
            image.save(path, "WEBP", quality=quality, method=4, lossless=small)
        case "avif":
            image.save(path, "AVIF", quality=quality, speed=7)
        case "jpeg":
            on_white(image).save(path, "JPEG", quality=quality, optimize=True, progressive=True)
        case "png":
            image.save(path, "PNG", compress_level=6)
    if path.stat().st_size > limits.output_bytes:
        raise Rejected("output")


def on_white(image: Image.Image) -> Image.Image:
    """RGB, what is transparent on white."""
    if image.mode != "RGBA":
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def names_for(longest: int) -> list[tuple[str, int]]:
    """The renditions of an image of this longest side, ascending: name and longest side of each."""
    smaller = [side for side in RENDITIONS if side < longest]
    own = next((side for side in RENDITIONS if side >= longest), None)
    return [(str(side), side) for side in smaller] + ([(str(own), longest)] if own is not None else [])


def renditions(largest: Image.Image, into: Path, limits: Limits) -> tuple[Rendition, ...]:
    """Make the renditions, each from the next larger one; ascending."""
    made: list[Rendition] = []
    image = largest
    for name, side in reversed(names_for(max(largest.size))):
        size = fitted(*largest.size, side)
        if image.size != size:
            image = image.resize(size, LANCZOS, reducing_gap=3.0)
        path = into / f"{name}.webp"
        save(image, path, "webp", _QUALITY, limits)
        made.append(Rendition(name, path, *image.size, path.stat().st_size, MEDIA_TYPES["webp"]))
    return tuple(reversed(made))
