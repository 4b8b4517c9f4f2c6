"""JPEG (ITU-T T.81): kept is what decoding needs, JFIF's header, the colour profile, Adobe's flag."""

import re
import struct
from typing import IO, Final

from functions.files.imaging.cleaning.mapped import Mapped
from functions.files.imaging.outcomes import Rejected

_EXIF: Final = b"Exif\x00\x00"
_MAXIMUM_SEGMENTS: Final = 65_536
_EOI, _SOS, _COM, _APP0, _APP1, _APP2, _APP13, _APP14 = 0xD9, 0xDA, 0xFE, 0xE0, 0xE1, 0xE2, 0xED, 0xEE
# The frame headers of what libjpeg decodes, and tables.
_NEEDED: Final = frozenset({0xC0, 0xC1, 0xC2, 0xC4, 0xC9, 0xCA, 0xCC, 0xDB, 0xDC, 0xDD})
_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
# Coded data end at a marker that is neither a stuffed zero, nor a restart, nor a fill byte.
_END_OF_SCAN: Final = re.compile(rb"\xff(?=[^\x00\xd0-\xd7\xff])")


def clean(source: Mapped, out: IO[bytes], exif: bytes) -> set[str]:
    """Write the image without what is private; what was left out is named. Raises Rejected.

    `exif` is put in the place of the original's. What lies behind the image's end goes too: further pictures
    (Multi-Picture Format, gain maps), videos, and whatever else was hidden there.
    """
    out.write(source.at(0, 2))
    removed: set[str] = set()
    ours = struct.pack(">BBH", 0xFF, _APP1, len(_EXIF) + len(exif) + 2) + _EXIF + exif if exif else b""
    offset, scans = 2, 0
    for _ in range(_MAXIMUM_SEGMENTS):
        offset, marker = _next_marker(source, offset)
        if marker == _EOI:
            out.write(b"\xff\xd9")
            return removed | ({"trailing"} if offset < source.size else set()) if scans else _without_image()
        if marker in _STANDALONE:
            continue
        length = source.big(offset, 2)
        if length < 2:
            raise Rejected("damaged")
        segment = source.at(offset + 2, min(length - 2, 64))
        kept, name = _judged(marker, segment, source.at(offset + 2, length - 2) == ours[4:] and bool(ours))
        removed |= {name} if name else set()
        if marker != _APP0:
            # JFIF's own header comes first.
            out.write(ours)
            ours = b""
        if kept == b"":
            source.copy(offset, offset + length, _marked(out, marker))
        elif kept is not None:
            _marked(out, marker).write(kept)
        offset += length
        if marker == _SOS:
            offset, scans = _copy_scan(source, offset, out), scans + 1
    raise Rejected("damaged")


def _without_image() -> set[str]:
    raise Rejected("truncated")


def _marked(out: IO[bytes], marker: int) -> IO[bytes]:
    out.write(bytes((0xFF, marker)))
    return out


def _next_marker(source: Mapped, offset: int) -> tuple[int, int]:
    """The offset behind the next marker, and the marker; what stands before it is no part of the image."""
    found = source.content.find(b"\xff", offset)
    if found < 0:
        raise Rejected("truncated")
    while (marker := source.big(found, 1)) == 0xFF:
        found += 1
    return found + 1, marker


def _copy_scan(source: Mapped, offset: int, out: IO[bytes]) -> int:
    """Copy coded data; returns where the next marker is."""
    found = _END_OF_SCAN.search(source.content, offset)
    if found is None:
        raise Rejected("truncated")
    source.copy(offset, found.start(), out)
    return found.start()


def _judged(marker: int, segment: bytes, is_ours: bool) -> tuple[bytes | None, str | None]:  # noqa: FBT001 - one caller
    """What is written of a segment (`b""`: all of it, None: nothing), and the name of what is left out."""
    if marker in _NEEDED or marker == _SOS:
        return b"", None
    if marker == _APP0 and segment.startswith(b"JFIF\x00") and len(segment) >= 14:
        # Its thumbnail is private as the image was before it was edited.
        thumbnail = segment[12:14] != b"\x00\x00"
        return b"\x00\x10" + segment[:12] + b"\x00\x00", "thumbnail" if thumbnail else None
    if marker == _APP2 and segment.startswith(b"ICC_PROFILE\x00"):
        return b"", None
    if marker == _APP14 and segment.startswith(b"Adobe"):
        return b"", None
    if marker in (0xC3, 0xC5, 0xC6, 0xC7, 0xC8, 0xCB, 0xCD, 0xCE, 0xCF, 0xDE, 0xDF):
        raise Rejected(
            "unsupported", "The JPEG is of a kind (lossless or hierarchical) that is not decoded here."
        )
    return None, None if is_ours else _name(marker, segment)


def _name(marker: int, segment: bytes) -> str:
    if marker == _APP1 and segment.startswith(b"Exif\x00"):
        return "exif"
    if marker == _APP1 and segment.startswith(b"http://ns.adobe.com/"):
        return "xmp"
    if marker == _APP13:
        return "iptc"
    if marker == _APP2 and segment.startswith(b"MPF\x00"):
        return "pictures"
    if marker == _APP0:
        return "thumbnail"
    return "comment" if marker == _COM else "application"
