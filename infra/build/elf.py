"""Shared libraries without what only debuggers and linkers read.

The loader goes by the program headers, and needs no table of sections (System V ABI, chapters 4 and 5:
https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html). `strip` would do as well, where it knows the
other processor, and with other bytes in each of its versions.
"""

import struct
from pathlib import Path
from typing import Final

_64_BITS_LITTLE_ENDIAN: Final = b"\x7fELF\x02\x01"
_HEADER_BYTES: Final = 64
# Offsets in the file header.
_PROGRAM_HEADERS, _SECTION_HEADERS, _PROGRAM_HEADER_SIZE, _SECTION_COUNT = 32, 40, 54, 60


def strip_library(path: Path) -> None:
    """Cut off what follows the last segment, the section headers included; other files stay as they are."""
    content = path.read_bytes()
    if not content.startswith(_64_BITS_LITTLE_ENDIAN):
        return
    loaded = bytearray(content[: _end_of_segments(content)])
    struct.pack_into("<Q", loaded, _SECTION_HEADERS, 0)
    struct.pack_into("<HH", loaded, _SECTION_COUNT, 0, 0)
    path.write_bytes(loaded)


def _end_of_segments(content: bytes) -> int:
    (table,) = struct.unpack_from("<Q", content, _PROGRAM_HEADERS)
    size, count = struct.unpack_from("<HH", content, _PROGRAM_HEADER_SIZE)
    ends: list[int] = [_HEADER_BYTES, table + size * count]
    for number in range(count):
        offset, in_file = struct.unpack_from("<8xQ16xQ", content, table + size * number)
        ends.append(offset + in_file)
    return max(ends)
