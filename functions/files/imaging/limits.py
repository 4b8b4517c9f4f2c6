"""What one job may take, and what it may make."""

from dataclasses import dataclass
from typing import Final

MEBIBYTE: Final = 1024 * 1024
RENDITIONS: Final = (256, 512, 1024, 2048)
"""The longest side of each rendition, in pixels."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one job; beyond each the file is rejected, with the code that stands beside it."""

    source_bytes: int = 256 * MEBIBYTE
    """The longest file that is opened: `too_large`."""
    pixels: int = 50_000_000
    """Width times height, as the header says, before anything is decoded: `too_many_pixels`."""
    frames: int = 600
    """Frames of an animation: `too_many_frames`."""
    animation_pixels: int = 200_000_000
    """Width times height times frames of an animation: `too_many_pixels`."""
    animation_output_pixels: int = 60_000_000
    """The same of an animated rendition: larger ones than 256 are then not made."""
    seconds: float = 30.0
    """Wall time, and processor time of all threads together: `time`."""
    memory_mb: int = 1280
    """Address space of the child, in MiB, of which its libraries take about 150: `memory`."""
    output_bytes: int = 64 * MEBIBYTE
    """The longest file that is made, the cleaned original aside, which is about as long as its source:

    `output`.
    """
    output_side: int = 4096
    """The longest side of what a transform makes, in pixels: `dimensions`."""
    page_side: int = 2048
    """The longest side at which a page is drawn, in pixels."""
    svg_bytes: int = 4 * MEBIBYTE
    """The longest drawing that is read: `too_large`."""
