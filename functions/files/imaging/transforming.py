"""One picture to order. Runs in the child."""

from pathlib import Path
from typing import Final, NamedTuple

from PIL import Image

from functions.files.imaging import animations, pages, stills
from functions.files.imaging.kinds import IMAGES
from functions.files.imaging.limits import Limits
from functions.files.imaging.opening import Opened, opened
from functions.files.imaging.outcomes import Gravity, Rejected, Transformed, TransformSpec
from functions.files.imaging.processing import media_type_of

# Where in what is left over: 0 is the left or upper edge, 1 the right or lower.
_PLACES: Final[dict[Gravity, tuple[float, float]]] = {
    "center": (0.5, 0.5),
    "north": (0.5, 0.0),
    "northeast": (1.0, 0.0),
    "east": (1.0, 0.5),
    "southeast": (1.0, 1.0),
    "south": (0.5, 1.0),
    "southwest": (0.0, 1.0),
    "west": (0.0, 0.5),
    "northwest": (0.0, 0.0),
}


class Layout(NamedTuple):
    """What part of the shown image is taken, its new size, and where on which canvas it lies; in pixels."""

    box: stills.Box
    size: tuple[int, int]
    canvas: tuple[int, int]
    at: tuple[int, int]


def transform(source: Path, into: Path, spec: TransformSpec, limits: Limits) -> Transformed:
    """What `Decoder.transform` promises. Raises Rejected."""
    media_type = media_type_of(source, limits)
    path = into / f"transformed.{spec.format}"
    if media_type == "application/pdf":
        page, *_ = pages.first_page(source, limits)
        layout = layout_of(page.size, spec, limits)
        return _saved(
            _placed(page.resize(layout.size, stills.LANCZOS, layout.box), layout), path, spec, limits
        )
    if media_type not in IMAGES:
        raise Rejected("not_an_image")
    with opened(source, media_type, limits) as image:
        layout = layout_of(stills.shown_size(image), spec, limits)
        if image.frames > 1 and spec.format == "webp":
            return _moving(image, layout, path, spec, limits)
        decoded = stills.decode(image, _enough(image, layout))
        return _saved(_drawn(image, decoded, layout), path, spec, limits)


def layout_of(shown: tuple[int, int], spec: TransformSpec, limits: Limits) -> Layout:
    """Where everything comes to lie. Raises Rejected: `dimensions`."""
    canvas = _canvas(shown, spec)
    if max(canvas) > limits.output_side or canvas[0] * canvas[1] > limits.pixels:
        raise Rejected("dimensions")
    whole: stills.Box = (0, 0, *shown)
    across, down = _PLACES[spec.gravity]
    if spec.fit == "cover":
        scale = max(canvas[0] / shown[0], canvas[1] / shown[1])
        taken = min(shown[0], canvas[0] / scale), min(shown[1], canvas[1] / scale)
        left, top = (shown[0] - taken[0]) * across, (shown[1] - taken[1]) * down
        return Layout((left, top, left + taken[0], top + taken[1]), canvas, canvas, (0, 0))
    if spec.fit == "contain":
        size = _inside(shown, canvas)
        at = round((canvas[0] - size[0]) * across), round((canvas[1] - size[1]) * down)
        return Layout(whole, size, canvas, at)
    return Layout(whole, canvas, canvas, (0, 0))


def _canvas(shown: tuple[int, int], spec: TransformSpec) -> tuple[int, int]:
    """The size of the result."""
    width, height = (None if each is None else each * spec.dpr for each in (spec.width, spec.height))
    if any(each is not None and each < 1 for each in (width, height)) or not 1 <= spec.dpr <= 3:
        raise Rejected("dimensions")
    if width is None and height is None:
        return shown
    if width is None or height is None:
        scale = (width or 0) / shown[0] or (height or 0) / shown[1]
        if spec.fit in ("inside", "contain"):
            scale = min(scale, 1.0)
        return max(1, round(shown[0] * scale)), max(1, round(shown[1] * scale))
    if spec.fit == "inside":
        return _inside(shown, (width, height))
    return max(1, round(width)), max(1, round(height))


def _inside(shown: tuple[int, int], box: tuple[float, float]) -> tuple[int, int]:
    scale = min(1.0, box[0] / shown[0], box[1] / shown[1])
    return max(1, round(shown[0] * scale)), max(1, round(shown[1] * scale))


def _enough(image: Opened, layout: Layout) -> tuple[float, float]:
    """How large the whole image, as stored, must be decoded for the part that is taken."""
    box = layout.box
    shown = stills.shown_size(image)
    wide = layout.size[0] * shown[0] / (box[2] - box[0])
    high = layout.size[1] * shown[1] / (box[3] - box[1])
    return (high, wide) if image.orientation in stills.SWAPPED else (wide, high)


def _drawn(image: Opened, frame: Image.Image, layout: Layout) -> Image.Image:
    """The part of a decoded frame that is taken, shown, on its canvas."""
    size, orientation = layout.size, image.orientation
    stored = (size[1], size[0]) if orientation in stills.SWAPPED else size
    box = stored_box(layout.box, stills.shown_size(image), orientation, frame.size)
    return _placed(stills.shown(frame, stored, orientation, box), layout)


def stored_box(
    box: stills.Box, shown: tuple[int, int], orientation: int, stored: tuple[int, int]
) -> stills.Box | None:
    """A box on the shown image in the pixels of the stored one; None for the whole."""
    left, top, right, bottom = box[0] / shown[0], box[1] / shown[1], box[2] / shown[0], box[3] / shown[1]
    if (left, top, right, bottom) == (0, 0, 1, 1):
        return None
    if orientation in (2, 3, 7, 6):
        left, right = 1 - right, 1 - left
    if orientation in (3, 4, 7, 8):
        top, bottom = 1 - bottom, 1 - top
    if orientation in stills.SWAPPED:
        left, top, right, bottom = top, left, bottom, right
    return (
        max(0.0, left * stored[0]),
        max(0.0, top * stored[1]),
        min(float(stored[0]), right * stored[0]),
        min(float(stored[1]), bottom * stored[1]),
    )


def _placed(image: Image.Image, layout: Layout) -> Image.Image:
    if image.size == layout.canvas:
        return image
    canvas = Image.new("RGBA", layout.canvas, (0, 0, 0, 0))
    canvas.paste(image, layout.at)
    return canvas


def _moving(image: Opened, layout: Layout, path: Path, spec: TransformSpec, limits: Limits) -> Transformed:
    if layout.canvas[0] * layout.canvas[1] * image.frames > limits.animation_pixels:
        raise Rejected("dimensions")
    size = animations.save(image, lambda frame: _drawn(image, frame, layout), path, limits, spec.quality)
    return Transformed(path, stills.MEDIA_TYPES[spec.format], *size, path.stat().st_size, animated=True)


def _saved(image: Image.Image, path: Path, spec: TransformSpec, limits: Limits) -> Transformed:
    stills.save(image, path, spec.format, spec.quality, limits)
    return Transformed(path, stills.MEDIA_TYPES[spec.format], *image.size, path.stat().st_size)
