"""What Exif says of a picture (CIPA DC-008): what we tell, and what must go."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

from PIL import Image
from PIL.ExifTags import IFD, Base

from functions.files.imaging.cleaning import png
from functions.files.imaging.cleaning.mapped import mapped
from functions.files.imaging.outcomes import Rejected

_TEXT_LENGTH: Final = 100
_TIME: Final = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_ZONE: Final = re.compile(r"([+-])(\d\d):?(\d\d)")


@dataclass(frozen=True, slots=True)
class Facts:
    """What Exif says; `private` names those of its parts that are worth a name: `gps`, `maker_note`."""

    orientation: int = 1
    camera: str | None = None
    taken_at: datetime | None = None
    private: frozenset[str] = frozenset()


def facts_of(image: Image.Image, path: Path) -> Facts:
    """What the Exif block of an opened image says. A block that cannot be read says nothing.

    Raises Rejected where the file ends too early.
    """
    try:
        exif = _exif_of_png(path) if image.format == "PNG" else image.getexif()
        detail: dict[int, Any] = exif.get_ifd(IFD.Exif)
        private = {"gps"} if exif.get_ifd(IFD.GPSInfo) else set()
    except (Rejected, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - Pillow raises whatever its parser stumbles over
        return Facts()
    if Base.MakerNote in detail:
        private.add("maker_note")
    orientation = exif.get(Base.Orientation)
    return Facts(
        orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1,
        _camera(exif),
        _taken_at(detail),
        frozenset(private),
    )


def _exif_of_png(path: Path) -> Image.Exif:
    """Without Pillow's own way to it, which decodes the whole image first."""
    exif = Image.Exif()
    with mapped(path) as content:
        block = png.exif_block(content)
    if block:
        exif.load(b"Exif\x00\x00" + block)
    return exif


def _text(value: object) -> str:
    """A value as one line of plain text."""
    text = (
        value.decode("ascii", "replace")
        if isinstance(value, bytes)
        else value
        if isinstance(value, str)
        else ""
    )
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:_TEXT_LENGTH]


def _camera(exif: Mapping[int, Any]) -> str | None:
    make, model = _text(exif.get(Base.Make)), _text(exif.get(Base.Model))
    # Many models begin with their maker's name.
    if make and model.lower().startswith(make.split()[0].lower()):
        return model
    return f"{make} {model}".strip() or None


def _taken_at(detail: Mapping[int, Any]) -> datetime | None:
    found = _TIME.match(_text(detail.get(Base.DateTimeOriginal) or detail.get(Base.DateTimeDigitized)))
    if found is None:
        return None
    zone = _zone(_text(detail.get(Base.OffsetTimeOriginal) or detail.get(Base.OffsetTime)))
    try:
        return datetime(*(int(each) for each in found.groups()), tzinfo=zone)  # type: ignore[misc, arg-type]  # six numbers
    except ValueError:
        # All zeros where the clock was never set.
        return None


def _zone(text: str) -> timezone | None:
    if text == "Z":
        return UTC
    found = _ZONE.fullmatch(text)
    if found is None or int(found[2]) > 14 or int(found[3]) > 59:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-offset if found[1] == "-" else offset)
