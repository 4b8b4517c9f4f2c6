"""GIF (CompuServe, version 89a): kept are frames, their timing, the loop and the colour profile."""

from collections.abc import Iterator
from typing import IO, Final, NamedTuple

from functions.files.imaging.cleaning.mapped import Mapped
from functions.files.imaging.outcomes import Rejected

_EXTENSION, _IMAGE, _TRAILER, _STRAY = 0x21, 0x2C, 0x3B, 0x00
# Extensions by introducer and label.
_CONTROL, _COMMENT, _PLAIN_TEXT, _APPLICATION = 0x21F9, 0x21FE, 0x2101, 0x21FF
_LOOPS: Final = frozenset({b"NETSCAPE2.0", b"ANIMEXTS1.0"})
_PROFILE: Final = b"ICCRGBG1012"
_XMP: Final = b"XMP DataXMP"
# What the loop and the buffer's size take, with the name; more than that is something else.
_LONGEST_LOOP: Final = 32


class Block(NamedTuple):
    """A block from `start` to before `end`; `kind` is its introducer, for an extension with its label."""

    kind: int
    start: int
    end: int


def frames(source: Mapped, most: int) -> tuple[int, int, int]:
    """Width and height of the canvas, and the number of frames, counted to at most `most` + 1.

    Raises Rejected.
    """
    count = 0
    width, height = source.little(6, 2), source.little(8, 2)
    for block in _blocks(source):
        if block.kind == _IMAGE:
            count += 1
            # A frame may be larger than the canvas, and decoders enlarge the canvas then.
            width = max(width, source.little(block.start + 1, 2) + source.little(block.start + 5, 2))
            height = max(height, source.little(block.start + 3, 2) + source.little(block.start + 7, 2))
        if count > most:
            break
    return width, height, count


def clean(source: Mapped, out: IO[bytes], exif: bytes) -> set[str]:  # noqa: ARG001 - GIF has no orientation
    """Write the image without what is private; what was left out is named. Raises Rejected."""
    removed: set[str] = set()
    end, last = _first_block(source), _STRAY
    source.copy(0, end, out)
    for block in _blocks(source):
        name = _private(source, block)
        if name is None:
            source.copy(block.start, block.end, out)
        else:
            removed.add(name)
        end = block.end
        last = block.kind
    if last != _TRAILER:
        out.write(bytes((_TRAILER,)))
    return removed | ({"trailing"} if end < source.size else set())


def _first_block(source: Mapped) -> int:
    packed = source.big(10, 1)
    return 13 + _table(packed)


def _table(packed: int) -> int:
    return 3 * 2 ** ((packed & 7) + 1) if packed & 0x80 else 0


def _blocks(source: Mapped) -> Iterator[Block]:
    """Every block, the trailer last where there is one (many encoders forget it). Raises Rejected."""
    offset = _first_block(source)
    while offset != source.size:
        introducer = source.big(offset, 1)
        if introducer == _TRAILER:
            yield Block(_TRAILER, offset, offset + 1)
            return
        if introducer == _EXTENSION:
            end = _end_of_sub_blocks(source, offset + 2)
            yield Block(source.big(offset, 2), offset, end)
        elif introducer == _IMAGE:
            end = _end_of_sub_blocks(source, offset + 11 + _table(source.big(offset + 9, 1)))
            yield Block(_IMAGE, offset, end)
        elif introducer == _STRAY:
            # Some encoders write one terminator too many.
            end = offset + 1
            yield Block(_STRAY, offset, end)
        else:
            raise Rejected("damaged")
        offset = end


def _end_of_sub_blocks(source: Mapped, offset: int) -> int:
    content, size = source.content, source.size
    while offset < size:
        length = content[offset]
        offset += length + 1
        if length == 0:
            return offset
    raise Rejected("truncated")


def _private(source: Mapped, block: Block) -> str | None:
    if block.kind in (_IMAGE, _TRAILER, _CONTROL, _STRAY):
        return None
    if block.kind == _APPLICATION and source.big(block.start + 2, 1) == 11:
        application = source.at(block.start + 3, 11)
        if application in _LOOPS and block.end - block.start <= _LONGEST_LOOP:
            return None
        if application == _PROFILE:
            return None
        return "xmp" if application == _XMP else "application"
    return "comment" if block.kind in (_COMMENT, _PLAIN_TEXT) else "application"
