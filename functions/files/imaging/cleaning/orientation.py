"""The one thing that stays of Exif: how the image is to be turned, in an Exif block of its own."""

import struct
from typing import Final

_ORIENTATION: Final = 0x0112
_SHORT: Final = 3


def exif_of(orientation: int) -> bytes:
    """An Exif block (as TIFF) that holds the orientation, 1 to 8, alone; empty for 1, the normal one."""
    if not 2 <= orientation <= 8:
        return b""
    header = b"MM\x00*" + struct.pack(">I", 8)
    return header + struct.pack(">HHHIHHI", 1, _ORIENTATION, _SHORT, 1, orientation, 0, 0)
