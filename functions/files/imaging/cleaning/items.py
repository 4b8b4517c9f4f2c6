"""The items of a HEIF file: their types, and where their bytes lie (ISO/IEC 14496-12, 8.11)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from functions.files.imaging.cleaning.mapped import Mapped
from functions.files.imaging.outcomes import Rejected

_MAXIMUM_ITEMS: Final = 20_000
_IN_FILE, _IN_IDAT = 0, 1


class Span(NamedTuple):
    """Bytes of the file from `start` to before `end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Item:
    """An item; `entry` is where its type stands, followed by its name."""

    kind: bytes
    entry: Span
    content_type: bytes
    spans: tuple[Span, ...]


class _Reader:
    """Reads numbers one after the other."""

    def __init__(self, source: Mapped, span: Span) -> None:
        self._source = source
        self.at = span.start
        self._end = span.end

    def number(self, length: int) -> int:
        if self.at + length > self._end:
            raise Rejected("damaged")
        self.at += length
        return self._source.big(self.at - length, length)


def items_of(source: Mapped, iinf: Span, iloc: Span, idat: int | None) -> list[Item]:
    """All items; `idat` is where the content of that box begins. Raises Rejected."""
    spans = dict(_locations(source, iloc, idat))
    if sum(span.end - span.start for each in spans.values() for span in each) > 2 * source.size:
        raise Rejected("damaged")
    return [
        Item(source.at(entry.start, 4), entry, content_type, spans.get(number, ()))
        for number, entry, content_type in _entries(source, iinf)
    ]


def _entries(source: Mapped, iinf: Span) -> Iterator[tuple[int, Span, bytes]]:
    reader = _Reader(source, iinf)
    version = reader.number(4) >> 24
    count = reader.number(2 if version == 0 else 4)
    if count > _MAXIMUM_ITEMS:
        raise Rejected("damaged")
    for _ in range(count):
        start = reader.at
        size, kind = reader.number(4), reader.number(4).to_bytes(4)
        if size < 20 or kind != b"infe" or start + size > iinf.end:
            raise Rejected("damaged")
        version = reader.number(4) >> 24
        if version < 2:
            raise Rejected("unsupported", "The image describes its parts in an outdated way.")
        number = reader.number(2 if version == 2 else 4)
        reader.number(2)
        entry = Span(reader.at, max(reader.at + 4, start + size))
        _, _, after_name = source.at(entry.start + 4, entry.end - entry.start - 4).partition(b"\x00")
        yield number, entry, after_name.partition(b"\x00")[0]
        reader.at = start + size


def _locations(source: Mapped, iloc: Span, idat: int | None) -> Iterator[tuple[int, tuple[Span, ...]]]:
    reader = _Reader(source, iloc)
    version = reader.number(4) >> 24
    sizes = reader.number(2)
    offset_size, length_size = sizes >> 12, sizes >> 8 & 15
    base_size, index_size = sizes >> 4 & 15, sizes & 15 if version else 0
    count = reader.number(2 if version < 2 else 4)
    if count > _MAXIMUM_ITEMS:
        raise Rejected("damaged")
    for _ in range(count):
        number = reader.number(2 if version < 2 else 4)
        method = reader.number(2) & 15 if version else _IN_FILE
        reader.number(2)
        base = reader.number(base_size)
        spans = []
        for _ in range(reader.number(2)):
            reader.number(index_size)
            offset, length = base + reader.number(offset_size), reader.number(length_size)
            spans.append(_span(source, method, offset, length, idat))
            if len(spans) > _MAXIMUM_ITEMS:
                raise Rejected("damaged")
        yield number, tuple(spans)


def _span(source: Mapped, method: int, offset: int, length: int, idat: int | None) -> Span:
    if method == _IN_IDAT and idat is not None:
        offset += idat
    elif method != _IN_FILE:
        raise Rejected("unsupported", "The image is put together in a way that is not decoded here.")
    if length == 0 or offset + length > source.size:
        raise Rejected("truncated" if length else "damaged")
    return Span(offset, offset + length)
