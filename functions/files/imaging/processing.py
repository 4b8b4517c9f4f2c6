"""One file, whole: what it is, its original without private metadata, its renditions. Runs in the child."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from PIL import Image

from functions.files.imaging import animations, cleaning, pages, stills, svg
from functions.files.imaging.cleaning.verifying import verify
from functions.files.imaging.colours import dominant
from functions.files.imaging.kinds import IMAGES, kind_of
from functions.files.imaging.limits import RENDITIONS, Limits
from functions.files.imaging.opening import Opened, opened, reading
from functions.files.imaging.outcomes import Processed, Rejected
from functions.files.imaging.thumbhash import thumbhash

_ORIGINAL: Final = "original"


def process(source: Path, into: Path, limits: Limits, *, keep_metadata: bool) -> Processed:
    """What `Decoder.process` promises. Raises Rejected."""
    media_type = media_type_of(source, limits)
    if media_type == "image/svg+xml":
        return _drawing(source, into, limits)
    if media_type == "application/pdf":
        return _document(source, into, limits)
    if media_type not in IMAGES:
        raise Rejected("not_an_image")
    with opened(source, media_type, limits) as original:
        facts = original.facts
    cleaned = into / _ORIGINAL
    removed = cleaning.clean(source, cleaned, media_type, facts.orientation)
    kept = keep_metadata or not removed
    if kept:
        cleaned.unlink()
    # What is stored is what is decoded: a cleaned file is shown to be whole.
    made = _image(source if kept else cleaned, media_type, into, limits, check=not keep_metadata)
    made = replace(made, camera=facts.camera, taken_at=facts.taken_at)
    return made if kept else replace(made, cleaned=cleaned, removed=tuple(sorted(removed | facts.private)))


def media_type_of(source: Path, limits: Limits) -> str:
    """What a file of a bearable length is. Raises Rejected."""
    length = source.stat().st_size
    if length == 0:
        raise Rejected("empty")
    if length > limits.source_bytes:
        raise Rejected("too_large")
    return kind_of(source).media_type


def _image(path: Path, media_type: str, into: Path, limits: Limits, *, check: bool) -> Processed:
    """Decode an image and make its renditions; with `check`, no private metadata may be in it."""
    still, made = _decoded(path, media_type, into, limits, check=check)
    # What was decoded is gone by now: encoding needs room of its own.
    return replace(
        made,
        colours=dominant(still),
        thumbhash=thumbhash(still),
        renditions=made.renditions or stills.renditions(still, into, limits),
    )


def _decoded(
    path: Path, media_type: str, into: Path, limits: Limits, *, check: bool
) -> tuple[Image.Image, Processed]:
    """An image as it is shown, small, and what there is to say of it; renditions only of one that moves."""
    with opened(path, media_type, limits) as image:
        if image.frames > 1:
            made = animations.renditions(image, lambda frame, size: _drawn(image, frame, size), into, limits)
            still = _first_frame(image)
        else:
            made = ()
            still = _drawn(image, stills.decode(image, _largest(image)), _largest(image))
        if check:
            verify(path, image.image)
        width, height = stills.shown_size(image)
        return still, Processed(
            media_type,
            width,
            height,
            frames=image.frames,
            pages=image.pages,
            animated=image.frames > 1,
            renditions=made,
        )


def _largest(image: Opened) -> tuple[int, int]:
    return stills.fitted(image.width, image.height, RENDITIONS[-1])


def _drawn(image: Opened, frame: Image.Image, size: tuple[int, int]) -> Image.Image:
    return stills.shown(frame, size, image.orientation)


def _first_frame(image: Opened) -> Image.Image:
    with reading():
        image.image.seek(0)
        image.image.load()
    return _drawn(image, image.image, stills.fitted(image.width, image.height, RENDITIONS[0]))


def _document(source: Path, into: Path, limits: Limits) -> Processed:
    page, (width, height), count = pages.first_page(source, limits)
    page.thumbnail((RENDITIONS[-1], RENDITIONS[-1]))
    return Processed(
        "application/pdf",
        width,
        height,
        pages=count,
        colours=dominant(page),
        thumbhash=thumbhash(page),
        renditions=stills.renditions(page, into, limits),
    )


def _drawing(source: Path, into: Path, limits: Limits) -> Processed:
    if source.stat().st_size > limits.svg_bytes:
        raise Rejected("too_large")
    drawing = svg.sanitise(source.read_bytes())
    cleaned = into / _ORIGINAL
    cleaned.write_bytes(drawing.content)
    return Processed(
        "image/svg+xml",
        drawing.width,
        drawing.height,
        cleaned=cleaned,
        removed=tuple(sorted(drawing.removed)),
    )
