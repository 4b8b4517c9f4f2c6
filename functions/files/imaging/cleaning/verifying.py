"""The second reader: what an imaging library, and a plain search, find in a cleaned file."""

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from PIL import Image
from PIL.ExifTags import IFD, Base

from functions.files.imaging.cleaning.mapped import Mapped, mapped
from functions.files.imaging.cleaning.orientation import exif_of
from functions.files.imaging.cleaning.tiff import NEEDED
from functions.files.imaging.outcomes import Rejected

# What Pillow and pillow-heif call private metadata.
_PRIVATE_KEYS: Final = frozenset(
    {
        "xmp",
        "XML:com.adobe.xmp",
        "Raw profile type exif",
        "photoshop",
        "comment",
        "mp",
        "mpoffset",
        "flashpix",
    }
    | {"Author", "Software", "Description"}
)
_MARKS: Final = (b"http://ns.adobe.com/xap", b"<x:xmpmeta", b"Photoshop 3.0\x00", b"<rdf:RDF")
_EXIF_MARK: Final = b"Exif\x00\x00"
_OWN_BLOCKS: Final = tuple(exif_of(orientation) for orientation in range(2, 9))
_CHAINS: Final = frozenset({"JPEG", "PNG", "WEBP", "GIF"})
_END_BYTES: Final = 1024 * 1024


def verify(path: Path, image: Image.Image) -> None:
    """Find no private metadata in a cleaned file, of which `image` is the opened.

    Raises Rejected: `metadata`.
    """
    exif = image.getexif()
    allowed = NEEDED if image.format == "TIFF" else {Base.Orientation}
    left = set(exif) - set(allowed)
    if left or exif.get_ifd(IFD.GPSInfo) or exif.get_ifd(IFD.Exif):
        raise Rejected("metadata")
    if any(image.info.get(key) for key in _PRIVATE_KEYS) or getattr(image, "text", None):
        raise Rejected("metadata")
    # What pillow-heif calls so are a HEIF's other items: those that were blanked are still counted.
    if any(each["data"].strip(b"\x00") for each in image.info.get("metadata") or ()):
        raise Rejected("metadata")
    with mapped(path) as content:
        for part in _searched(content, image.format):
            if any(part.find(mark) >= 0 for mark in _MARKS) or _without_ours(part).find(_EXIF_MARK) >= 0:
                raise Rejected("metadata")


def _searched(source: Mapped, format_: str | None) -> Iterator[bytes | mmap.mmap]:
    """Where metadata may stand: in formats that are chains of parts, both ends; elsewhere anywhere.

    Of a chain each part is known by the editor, and what is large in it is coded pixels.
    """
    if format_ not in _CHAINS or source.size <= 2 * _END_BYTES:
        yield source.at(0, source.size) if source.size <= 2 * _END_BYTES else source.content
    else:
        yield source.at(0, _END_BYTES)
        yield source.at(source.size - _END_BYTES, _END_BYTES)


def _without_ours(content: bytes | mmap.mmap) -> bytes | mmap.mmap:
    """The same without the block that says how to turn the image, if it begins with it."""
    first = content.find(_EXIF_MARK, 0, 64)
    end = first + len(_EXIF_MARK) + len(_OWN_BLOCKS[0])
    if first >= 0 and content[first + len(_EXIF_MARK) : end] in _OWN_BLOCKS:
        return content[end:]
    return content
