"""What is asked of the decoder and what it answers: plain, frozen, and cheap to import."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

type Fit = Literal["cover", "contain", "fill", "inside"]
type Format = Literal["webp", "avif", "jpeg", "png"]
type Gravity = Literal[
    "center", "north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest"
]

CODES: Final = {
    "empty": "The file is empty.",
    "too_large": "The file is longer than what is opened here.",
    "not_an_image": "The file is no image, drawing or document of which pictures are made.",
    "type_mismatch": "The content is of another type than was expected.",
    "too_many_pixels": "The image has more pixels than are decoded here.",
    "too_many_frames": "The animation has more frames than are decoded here.",
    "truncated": "The file ends before its image does.",
    "damaged": "The file cannot be decoded.",
    "unsupported": "The file is whole, but of a variant that is not decoded here.",
    "metadata": "Its private metadata could not be removed with certainty.",
    "unsafe_svg": "The drawing holds what cannot be made safe.",
    "encrypted_pdf": "The document asks for a password.",
    "dimensions": "The picture that is asked for is larger than what is made here, or has no size.",
    "memory": "Decoding it takes more memory than a job may have.",
    "time": "Decoding it takes longer than a job may last.",
    "output": "What would be made of it is longer than what may be stored.",
    "crashed": "The decoder failed on it.",
}
"""Why a file is rejected: each code with its sentence."""


class Rejected(Exception):
    """A file of which nothing is made; `code` is one of CODES, `detail` one sentence that may be shown.

    `peak_bytes` is the most memory that the child held during the job, 0 where it did not live to tell.
    """

    def __init__(self, code: str, detail: str = "", peak_bytes: int = 0) -> None:
        self.code = code if code in CODES else "crashed"
        self.detail = detail or CODES[self.code]
        self.peak_bytes = peak_bytes
        super().__init__(f"{self.code}: {self.detail}")


class DecoderUnavailable(Exception):
    """No file's fault: the child does not start, or there is no room on the disk. Trying later may help."""


@dataclass(frozen=True, slots=True)
class Rendition:
    """A smaller picture of a file; `name` is the longest side that it was made for."""

    name: str
    path: Path
    width: int
    height: int
    bytes: int
    media_type: str


@dataclass(frozen=True, slots=True)
class Processed:
    """What a file is, and what was made of it.

    `media_type` is by content. `width` and `height` are as a viewer shows it (its orientation applied),
    in pixels; of a document those of its first page in points of 1/72 inch; of a drawing what it says, 0
    where it says nothing. `frames` is 1 for what does not move, and `pages` for what has none. `removed`
    names what private metadata was there. `renditions` are in ascending size: each of 256, 512, 1024 and
    2048 below the image's longest side, then one, under the next of these names, of its own size (at most
    2048); a drawing has none. `colours` are those that dominate, most frequent first, as `#rrggbb`.
    `peak_bytes` is the most memory that the child held during the job.
    """

    media_type: str
    width: int
    height: int
    frames: int = 1
    pages: int = 1
    animated: bool = False
    colours: tuple[str, ...] = ()
    thumbhash: str | None = None
    """Base64 with padding; https://evanw.github.io/thumbhash/ decodes it. None for a drawing."""
    camera: str | None = None
    """Make and model, from Exif."""
    taken_at: datetime | None = None
    """Exif's DateTimeOriginal.

    Without a zone (`tzinfo` is None) it is the camera's own clock, wherever that was: older cameras do
    not say, and no zone may be assumed.
    """
    cleaned: Path | None = None
    """The original without private metadata, its pixels untouched; None where there was nothing to remove."""
    removed: tuple[str, ...] = ()
    renditions: tuple[Rendition, ...] = ()
    peak_bytes: int = 0


@dataclass(frozen=True, slots=True)
class TransformSpec:
    """A picture to be made.

    Width and height are in CSS pixels, `dpr` (1 to 3) of the device's for each of them. With one of them the
    other follows from the image's proportions; with neither only the format changes. `cover` fills the box
    and crops, `contain` fills it with the whole image and a border (transparent, in JPEG white), `fill`
    stretches, `inside` fits into it. `cover` and `fill` enlarge a small image, as their box demands;
    `contain` and `inside` never do. `gravity` says which part `cover` keeps, and where `contain` puts the
    image.
    """

    width: int | None = None
    height: int | None = None
    fit: Fit = "inside"
    gravity: Gravity = "center"
    format: Format = "webp"
    quality: int = 80
    dpr: float = 1.0


@dataclass(frozen=True, slots=True)
class Transformed:
    """What a transform made; `animated` where it moves (WebP only)."""

    path: Path
    media_type: str
    width: int
    height: int
    bytes: int
    animated: bool = False
    peak_bytes: int = 0
