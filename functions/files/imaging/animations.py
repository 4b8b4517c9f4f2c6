"""Images that move: each picture of them moves too, within a bound on its frames' pixels."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from PIL import Image

from functions.files.imaging.limits import Limits
from functions.files.imaging.opening import Opened, reading
from functions.files.imaging.outcomes import Rejected, Rendition
from functions.files.imaging.stills import fitted, names_for

# Browsers take shorter ones for a mistake, and show such frames for a tenth of a second.
_SHORTEST_MS: Final = 11
_INSTEAD_MS: Final = 100
_QUALITY: Final = 75
_FLAGS_AT, _HAS_ALPHA = 20, 0x10
_MEDIA_TYPE: Final = "image/webp"


class _Motion(Image.Image):
    """The frames of an image, each drawn when the encoder asks for it: one is in memory at a time."""

    def __init__(self, opened: Opened, draw: Callable[[Image.Image], Image.Image]) -> None:
        super().__init__()
        self.n_frames = opened.frames
        self.durations: list[float] = []
        self.transparent = False
        self._opened = opened
        self._draw = draw
        self.seek(0)

    def seek(self, frame: int) -> None:
        """Draw a frame."""
        with reading():
            self._opened.image.seek(frame)
            self._opened.image.load()
        drawn = self._draw(self._opened.image)
        self.im, self._mode, self._size = drawn.im, drawn.mode, drawn.size
        self.transparent |= drawn.mode == "RGBA"
        if len(self.durations) == frame:
            told = self._opened.image.info.get("duration", 0)
            lasts = float(told) if isinstance(told, int | float) else 0.0
            self.durations.append(lasts if lasts >= _SHORTEST_MS else _INSTEAD_MS)

    def tell(self) -> int:
        """Where the encoder returns to: nowhere else than to what was drawn first."""
        return 0


def save(
    opened: Opened,
    draw: Callable[[Image.Image], Image.Image],
    path: Path,
    limits: Limits,
    quality: int = _QUALITY,
) -> tuple[int, int]:
    """Write an animated WebP whose frames `draw` makes; returns its size. Raises Rejected."""
    moving = _Motion(opened, draw)
    size = moving.size
    moving.save(
        path,
        "WEBP",
        save_all=True,
        duration=moving.durations,
        loop=_plays(opened),
        background=(0, 0, 0, 0),
        quality=quality,
        method=0,
    )
    if moving.transparent:
        _tell_alpha(path)
    if path.stat().st_size > limits.output_bytes:
        raise Rejected("output")
    return size


def _tell_alpha(path: Path) -> None:
    """Set the header's flag for alpha (RFC 9649, 2.7).

    The encoder leaves it out where every frame is opaque within its own rectangle, and decoders that go by it
    show black around them.
    """
    with path.open("r+b") as file:
        if file.read(16)[12:] == b"VP8X":
            file.seek(_FLAGS_AT)
            flags = file.read(1)[0]
            file.seek(_FLAGS_AT)
            file.write(bytes((flags | _HAS_ALPHA,)))


def _plays(opened: Opened) -> int:
    """How often it plays, 0 for ever, as WebP counts. A GIF says how often it repeats, if at all."""
    loop = opened.image.info.get("loop")
    if opened.media_type == "image/gif":
        return 1 if loop is None else min(int(loop) + 1, 65535) if loop else 0
    return min(int(loop), 65535) if isinstance(loop, int) else 0


def sizes(opened: Opened, limits: Limits) -> Iterator[tuple[str, tuple[int, int]]]:
    """The renditions that are made, ascending: a name and a size each."""
    for name, side in names_for(max(opened.width, opened.height)):
        size = fitted(opened.width, opened.height, side)
        if side > 256 and size[0] * size[1] * opened.frames > limits.animation_output_pixels:
            return
        yield name, size


def renditions(
    opened: Opened, draw: Callable[[Image.Image, tuple[int, int]], Image.Image], into: Path, limits: Limits
) -> tuple[Rendition, ...]:
    """Make the renditions that move, ascending. Raises Rejected."""
    made: list[Rendition] = []
    for name, size in sizes(opened, limits):
        path = into / f"{name}.webp"
        width, height = save(opened, lambda frame, size=size: draw(frame, size), path, limits)  # type: ignore[misc]  # bound here
        made.append(Rendition(name, path, width, height, path.stat().st_size, _MEDIA_TYPE))
    return tuple(made)
