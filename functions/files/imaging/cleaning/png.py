"""PNG (W3C, third edition): kept are the chunks that say how the pixels look, and an animation's."""

import struct
import zlib
from typing import IO, Final

from functions.files.imaging.cleaning.mapped import Mapped
from functions.files.imaging.outcomes import Rejected

_MAXIMUM_CHUNKS: Final = 1_000_000
_NEEDED: Final = frozenset(
    {
        b"IHDR",
        b"PLTE",
        b"IDAT",
        b"IEND",
        b"tRNS",
        b"cHRM",
        b"gAMA",
        b"iCCP",
        b"sBIT",
        b"sRGB",
        b"bKGD",
        b"pHYs",
    }
    | {b"hIST", b"cICP", b"mDCV", b"cLLI", b"acTL", b"fcTL", b"fdAT"}
)
_TEXT: Final = frozenset({b"tEXt", b"zTXt", b"iTXt"})


def clean(source: Mapped, out: IO[bytes], exif: bytes) -> set[str]:
    """Write the image without what is private; what was left out is named. Raises Rejected."""
    out.write(source.at(0, 8))
    removed: set[str] = set()
    offset = 8
    for _ in range(_MAXIMUM_CHUNKS):
        length, kind = source.big(offset, 4), source.at(offset + 4, 4)
        end = offset + 12 + length
        if end > source.size:
            raise Rejected("truncated")
        if kind in _NEEDED:
            source.copy(offset, end, out)
        elif not (kind == b"eXIf" and source.at(offset + 8, length) == exif):
            removed.add(_name(kind, source.at(offset + 8, min(length, 32))))
        if kind == b"IHDR" and exif:
            out.write(_chunk(b"eXIf", exif))
        if kind == b"IEND":
            return removed | ({"trailing"} if end < source.size else set())
        offset = end
    raise Rejected("damaged")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _name(kind: bytes, beginning: bytes) -> str:
    if kind in _TEXT:
        # Where Photoshop and ImageMagick put what other formats have fields for.
        if beginning.startswith(b"XML:com.adobe.xmp"):
            return "xmp"
        if beginning.startswith(b"Raw profile type "):
            profile = beginning[17:22]
            return "iptc" if profile.startswith(b"iptc") else "xmp" if profile.startswith(b"xmp") else "exif"
        return "comment"
    return {b"eXIf": "exif", b"zxIf": "exif", b"tIME": "time"}.get(kind, "application")


def exif_block(source: Mapped) -> bytes:
    """The Exif block, wherever it stands; empty where there is none. Raises Rejected."""
    offset = 8
    for _ in range(_MAXIMUM_CHUNKS):
        length, kind = source.big(offset, 4), source.at(offset + 4, 4)
        if kind == b"eXIf":
            return source.at(offset + 8, length)
        if kind == b"IEND":
            break
        offset += 12 + length
    return b""
