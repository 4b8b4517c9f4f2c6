"""Pictures in a conversation: as data URLs (RFC 2397) alone, as nothing is fetched from elsewhere."""

import base64
import binascii
from typing import Final

MOST_BYTES: Final = 4_000_000
"""Of all pictures of a request together."""
LONGEST_URL: Final = 5_400_000
"""A picture of MOST_BYTES in base64, and what is before it."""

_BEGINNINGS: Final = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/jpg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
}
_WEBP: Final = b"WEBP"


def picture(url: str) -> str:
    """The content of a data URL as base64, once it is what it says. Raises ValueError, which says why not."""
    scheme, found, rest = url.partition(":")
    if not found or scheme.lower() != "data":
        raise ValueError(
            "must be a data URL (data:image/png;base64,…): pictures are not fetched from elsewhere"
        )
    head, found, encoded = rest.partition(",")
    kind, *parameters = (part.strip().lower() for part in head.split(";"))
    if not found or kind not in _BEGINNINGS or parameters[-1:] != ["base64"]:
        raise ValueError("must be a data URL in base64 of a PNG, JPEG, WebP or GIF picture")
    try:
        content = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise ValueError("must be in base64") from None
    if not content.startswith(_BEGINNINGS[kind]) or (kind == "image/webp" and content[8:12] != _WEBP):
        raise ValueError(f"must be what it says that it is, {kind}")
    return encoded


def size(encoded: str) -> int:
    """In bytes, of a picture in base64."""
    return len(encoded) * 3 // 4
