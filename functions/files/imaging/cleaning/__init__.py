"""Private metadata out of an original, its pixels untouched: an editor of bytes a format.

Each editor goes through the file once, keeps what it knows to be needed, and is bounded whatever lengths
the file claims. None of them decodes anything.
"""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import IO, Final

from functions.files.imaging.cleaning import gif, isobmff, jpeg, png, tiff, webp
from functions.files.imaging.cleaning.mapped import Mapped, mapped
from functions.files.imaging.cleaning.orientation import exif_of

type Editor = Callable[[Mapped, IO[bytes], bytes], set[str]]

_EDITORS: Final[dict[str, Editor]] = {
    "image/jpeg": jpeg.clean,
    "image/png": png.clean,
    "image/webp": webp.clean,
    "image/gif": gif.clean,
    "image/tiff": tiff.clean,
    "image/heic": isobmff.clean,
    "image/heif": isobmff.clean,
    "image/avif": isobmff.clean,
}


def clean(source: Path, target: Path, media_type: str, orientation: int) -> frozenset[str]:
    """Write `target`: the image without private metadata. Returns what was removed; empty for nothing.

    Of Exif only `orientation` (1 to 8) stays. Raises Rejected where the file is not what it says.
    """
    with mapped(source) as content, target.open("w+b") as out:
        return frozenset(_EDITORS[media_type](content, out, exif_of(orientation)))


def clean_bytes(content: bytes, media_type: str) -> bytes:
    """A small image in memory without any metadata. Raises Rejected."""
    out = BytesIO()
    _EDITORS[media_type](Mapped(content), out, b"")
    return out.getvalue()
