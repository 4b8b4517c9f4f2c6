"""HEIC and AVIF (ISO/IEC 14496-12, 23008-12): a copy, what is private blank, offsets as they were."""

import struct
from collections.abc import Iterator
from typing import IO, Final, NamedTuple

from functions.files.imaging.cleaning.items import Item, Span, items_of
from functions.files.imaging.cleaning.mapped import Mapped
from functions.files.imaging.outcomes import Rejected

_MAXIMUM_BOXES: Final = 100_000
_TOP_LEVEL: Final = frozenset({b"ftyp", b"meta", b"mdat", b"moov", b"idat"})
_CONTAINERS: Final = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
_PRIVATE_IN_MOVIE: Final = frozenset({b"udta", b"meta", b"uuid", b"free", b"skip"})
# Items of which an image is made; every other is about it.
_OF_THE_IMAGE: Final = frozenset(
    {
        b"hvc1",
        b"lhv1",
        b"av01",
        b"avc1",
        b"vvc1",
        b"jpeg",
        b"j2k1",
        b"unci",
        b"mski",
        b"grid",
        b"iovl",
        b"iden",
    }
    | {b"tmap"}
)
_IN_META: Final = frozenset(
    {b"hdlr", b"pitm", b"iinf", b"iloc", b"iref", b"iprp", b"idat", b"grpl", b"dinf", b"free"}
)
# Descriptions, alternative texts, times, and whatever a maker thought of (ISO/IEC 23008-12, 6.5).
_PRIVATE_PROPERTIES: Final = frozenset({b"udes", b"altt", b"crtt", b"mdft", b"uuid"})
_BLANKED_AT_ONCE: Final = 1024 * 1024


class Box(NamedTuple):
    """A box: its kind, where it begins, where its content begins, and where it ends."""

    kind: bytes
    start: int
    content: int
    end: int


def clean(source: Mapped, out: IO[bytes], exif: bytes) -> set[str]:  # noqa: ARG001 - properties turn the image, not Exif
    """Write the image without what is private; what was left out is named. Raises Rejected."""
    source.copy(0, source.size, out)
    top = list(_boxes(source, 0, source.size))
    if top[0].kind != b"ftyp":
        raise Rejected("damaged")
    moves = any(box.kind == b"moov" for box in top)
    removed: set[str] = set()
    for box in top:
        if box.kind == b"meta":
            removed |= _clean_items(
                source, box, [] if moves else [each for each in top if each.kind == b"mdat"], out
            )
        elif box.kind == b"moov":
            removed |= _clean_movie(source, box, out)
        elif box.kind not in _TOP_LEVEL:
            removed |= _free(source, box, out)
    return removed


def _boxes(source: Mapped, start: int, end: int) -> Iterator[Box]:
    for _ in range(_MAXIMUM_BOXES):
        if start + 8 > end:
            return
        size, kind, header = source.big(start, 4), source.at(start + 4, 4), 8
        if size == 1:
            size, header = source.big(start + 8, 8), 16
        elif size == 0:
            size = end - start
        if size < header:
            raise Rejected("damaged")
        if start + size > end:
            raise Rejected("truncated")
        yield Box(kind, start, start + header, start + size)
        start += size
    raise Rejected("damaged")


def _clean_items(source: Mapped, meta: Box, mdats: list[Box], out: IO[bytes]) -> set[str]:
    """Blank the items that are none of the image's, and in `mdats` whatever no item refers to."""
    boxes = list(_boxes(source, meta.content + 4, meta.end))
    removed = _clean_boxes(source, boxes, out)
    inner = {box.kind: box for box in boxes}
    if b"iinf" not in inner or b"iloc" not in inner:
        return removed
    idat = inner.get(b"idat")
    iinf, iloc = (Span(inner[kind].content, inner[kind].end) for kind in (b"iinf", b"iloc"))
    items = items_of(source, iinf, iloc, idat.content if idat else None)
    private = [item for item in items if item.kind not in _OF_THE_IMAGE]
    for item in private:
        # No reader looks for an item of this type; those that count items find as many as before.
        _patch(out, item.entry.start, b"free")
        _blank(out, Span(item.entry.start + 4, item.entry.end))
        for span in item.spans:
            _blank(out, span)
    kept = sorted(span for item in items if item.kind in _OF_THE_IMAGE for span in item.spans)
    for mdat in mdats:
        for span in _between(kept, Span(mdat.content, mdat.end)):
            _blank(out, span)
    if _overlap(kept, [span for item in private for span in item.spans]):
        raise Rejected("metadata", "Its metadata and its image share bytes.")
    return removed | {_name(item) for item in private if item.kind != b"free"}


def _clean_boxes(source: Mapped, boxes: list[Box], out: IO[bytes]) -> set[str]:
    """Free what tells of the image beside its items, and properties that are words about it."""
    removed: set[str] = set()
    for box in boxes:
        if box.kind not in _IN_META:
            removed |= _free(source, box, out)
    groups = [box for box in boxes if box.kind == b"iprp"]
    for container in (inner for box in groups for inner in _boxes(source, box.content, box.end)):
        if container.kind == b"ipco":
            for each in _boxes(source, container.content, container.end):
                if each.kind in _PRIVATE_PROPERTIES:
                    removed |= _free(source, each, out)
    return removed


def _between(kept: list[Span], whole: Span) -> Iterator[Span]:
    """What of `whole` no span covers; `kept` is sorted."""
    at = whole.start
    for span in kept:
        if span.end <= at:
            continue
        if span.start >= whole.end:
            break
        if span.start > at:
            yield Span(at, span.start)
        at = span.end
    if at < whole.end:
        yield Span(at, whole.end)


def _overlap(kept: list[Span], private: list[Span]) -> bool:
    spans = sorted([*((span, True) for span in kept), *((span, False) for span in private)])
    end_kept = end_private = 0
    for span, is_kept in spans:
        if span.start < (end_private if is_kept else end_kept):
            return True
        if is_kept:
            end_kept = max(end_kept, span.end)
        else:
            end_private = max(end_private, span.end)
    return False


def _name(item: Item) -> str:
    if item.kind == b"Exif":
        return "exif"
    return "xmp" if item.kind == b"mime" and item.content_type == b"application/rdf+xml" else "application"


def _clean_movie(source: Mapped, movie: Box, out: IO[bytes]) -> set[str]:
    """Free what a sequence and its tracks carry beside their frames."""
    removed: set[str] = set()
    waiting = [movie]
    for _ in range(_MAXIMUM_BOXES):
        if not waiting:
            return removed
        box = waiting.pop()
        for inner in _boxes(source, box.content, box.end):
            if inner.kind in _PRIVATE_IN_MOVIE:
                removed |= _free(source, inner, out)
            elif inner.kind in _CONTAINERS:
                waiting.append(inner)
    raise Rejected("damaged")


def _free(source: Mapped, box: Box, out: IO[bytes]) -> set[str]:
    """Make it a box of free space; named where it held anything."""
    held = any(
        source.content[at : min(box.end, at + _BLANKED_AT_ONCE)].strip(b"\x00")
        for at in range(box.content, box.end, _BLANKED_AT_ONCE)
    )
    _patch(out, box.start, struct.pack(">I", source.big(box.start, 4)) + b"free")
    _blank(out, Span(box.content, box.end))
    return {"application"} if held else set()


def _patch(out: IO[bytes], offset: int, content: bytes) -> None:
    out.seek(offset)
    out.write(content)


def _blank(out: IO[bytes], span: Span) -> None:
    out.seek(span.start)
    for at in range(span.start, span.end, _BLANKED_AT_ONCE):
        out.write(bytes(min(_BLANKED_AT_ONCE, span.end - at)))
