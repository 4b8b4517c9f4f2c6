"""The three files that the requirements name: small, made to hurt, made anew each time."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SECONDS: Final = 2.0
"""Within this each has to be rejected, from the first byte that is sent."""

BYTES: Final = 300 * 1024 * 1024
"""More than this the decoder may not hold for one of them."""

_SIDE: Final = 60_000
_FRAMES: Final = 1_000_000
_SVG: Final = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text>&a11;</text></svg>'


def make(folder: Path) -> dict[Path, str]:
    """Write them; each with the code that it is to be rejected by."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "60,000 x 60,000.png": (_png(), "too_many_pixels"),
        "a million frames.gif": (_gif(), "too_many_frames"),
        "entities.svg": (_entities(), "unsafe_svg"),
    }
    for name, (content, _) in made.items():
        (folder / name).write_bytes(content)
    return {folder / name: code for name, (_, code) in made.items()}


def harmless(folder: Path) -> Path:
    """Write a picture of one pixel: what a decoder takes to start is no other file's doing."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "one pixel.gif"
    path.write_bytes(_gif(1))
    return path


def _png() -> bytes:
    """A whole one: 450 MB of black in less than half a megabyte."""
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 1, 0, 0, 0, 0)
    packed = b"".join(_black())
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _black() -> Iterator[bytes]:
    packer, rows = zlib.compressobj(1), bytes((1 + _SIDE // 8) * 100)
    for _ in range(_SIDE // 100):
        yield packer.compress(rows)
    yield packer.flush()


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _gif(frames: int = _FRAMES) -> bytes:
    """So many frames of one pixel, each of 16 bytes."""
    frame = b"\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00"
    head = struct.pack("<6sHHBBB", b"GIF89a", 1, 1, 0x80, 0, 0) + bytes(6)
    return head + frame * frames + b";"


def _entities() -> bytes:
    """The billion laughs, a hundred times over."""
    declared = '<!ENTITY a0 "lol">' + "".join(
        f'<!ENTITY a{level} "{f"&a{level - 1};" * 10}">' for level in range(1, 12)
    )
    return f"<!DOCTYPE svg [{declared}]>{_SVG}".encode()
