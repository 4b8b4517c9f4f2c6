"""WebP (RFC 9649): kept are the chunks of the image, of its animation, and the colour profile."""

import struct
from collections.abc import Iterator
from typing import IO, Final, NamedTuple

from functions.files.imaging.cleaning.mapped import Mapped
from functions.files.imaging.outcomes import Rejected

_MAXIMUM_CHUNKS: Final = 100_000
_IMAGE: Final = frozenset({b"VP8 ", b"VP8L", b"ALPH"})
_KEPT: Final = _IMAGE | {b"VP8X", b"ANIM", b"ANMF", b"ICCP"}
_HAS_EXIF, _HAS_XMP = 0x08, 0x04
_FRAME_HEADER: Final = 16


class Chunk(NamedTuple):
    """A chunk's kind, and where its content is."""

    kind: bytes
    start: int
    length: int

    @property
    def end(self) -> int:
        """Where the content ends; a byte of padding follows an odd length."""
        return self.start + self.length


class Header(NamedTuple):
    """The canvas in pixels, and the frames, as the file says."""

    width: int
    height: int
    frames: int


def header(source: Mapped, most: int) -> Header:
    """What the file says of itself, counting at most `most` + 1 frames. Raises Rejected."""
    canvas, frames = (0, 0), 0
    for chunk in _chunks(source, 12, _end(source)):
        if chunk.kind == b"VP8X":
            canvas = (source.little(chunk.start + 4, 3) + 1, source.little(chunk.start + 7, 3) + 1)
        elif chunk.kind in (b"VP8 ", b"VP8L") and canvas == (0, 0):
            canvas = _of_bitstream(source, chunk)
        frames += chunk.kind == b"ANMF"
        if frames > most:
            break
    if canvas == (0, 0):
        raise Rejected("truncated")
    return Header(*canvas, max(frames, 1))


def clean(source: Mapped, out: IO[bytes], exif: bytes) -> set[str]:
    """Write the image without what is private; what was left out is named. Raises Rejected."""
    removed: set[str] = set()
    end = _end(source)
    out.write(b"RIFF\x00\x00\x00\x00WEBP")
    chunks = list(_chunks(source, 12, end))
    extended = chunks[0].kind == b"VP8X" if chunks else False
    for chunk in chunks:
        if chunk.kind == b"ANMF":
            removed |= _copy_frame(source, chunk, out)
        elif chunk.kind == b"VP8X":
            _write(out, chunk.kind, _mended(source.at(chunk.start, chunk.length), exif))
        elif chunk.kind in _KEPT:
            _copy(source, chunk, out)
        elif not (chunk.kind == b"EXIF" and source.at(chunk.start, chunk.length) == exif and exif):
            removed.add({b"EXIF": "exif", b"XMP ": "xmp"}.get(chunk.kind, "application"))
    if exif and extended:
        _write(out, b"EXIF", exif)
    length = out.tell() - 8
    out.seek(4)
    out.write(struct.pack("<I", length))
    return removed | ({"trailing"} if end + end % 2 < source.size else set())


def _end(source: Mapped) -> int:
    end = 8 + source.little(4, 4)
    if end > source.size:
        raise Rejected("truncated")
    return end


def _chunks(source: Mapped, start: int, end: int) -> Iterator[Chunk]:
    for _ in range(_MAXIMUM_CHUNKS):
        if start + 8 > end:
            return
        chunk = Chunk(source.at(start, 4), start + 8, source.little(start + 4, 4))
        if chunk.end > end:
            raise Rejected("truncated")
        yield chunk
        start = chunk.end + chunk.length % 2
    raise Rejected("damaged")


def _of_bitstream(source: Mapped, chunk: Chunk) -> tuple[int, int]:
    """The size in the header of a VP8 key frame (RFC 6386, 9.1), or of a lossless image (RFC 9649, 3.4)."""
    if chunk.kind == b"VP8 ":
        return source.little(chunk.start + 6, 2) & 0x3FFF, source.little(chunk.start + 8, 2) & 0x3FFF
    bits = source.little(chunk.start + 1, 4)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _mended(content: bytes, exif: bytes) -> bytes:
    """The extended header, its flags saying what is still there."""
    flags = content[0] & ~(_HAS_EXIF | _HAS_XMP) | (_HAS_EXIF if exif else 0)
    return bytes((flags,)) + content[1:10]


def _copy_frame(source: Mapped, frame: Chunk, out: IO[bytes]) -> set[str]:
    """Copy a frame with its image alone: frames may hold unknown chunks of their own."""
    parts = list(_chunks(source, frame.start + _FRAME_HEADER, frame.end))
    kept = [part for part in parts if part.kind in _IMAGE]
    out.write(
        b"ANMF" + struct.pack("<I", _FRAME_HEADER + sum(8 + each.length + each.length % 2 for each in kept))
    )
    out.write(source.at(frame.start, _FRAME_HEADER))
    for part in kept:
        _copy(source, part, out)
    return {"application"} if len(kept) < len(parts) else set()


def _copy(source: Mapped, chunk: Chunk, out: IO[bytes]) -> None:
    out.write(chunk.kind + struct.pack("<I", chunk.length))
    source.copy(chunk.start, chunk.end, out)
    out.write(bytes(chunk.length % 2))


def _write(out: IO[bytes], kind: bytes, content: bytes) -> None:
    out.write(kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2))
