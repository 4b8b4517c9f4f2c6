"""TIFF 6.0 and BigTIFF: a copy whose directories hold what decoding needs, other values blank."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Final, Literal, NamedTuple

from functions.files.imaging.cleaning.mapped import Mapped
from functions.files.imaging.outcomes import Rejected

_MAXIMUM_DIRECTORIES: Final = 1_000
_MAXIMUM_ENTRIES: Final = 4_096
_EXIF, _GPS, _INTEROPERABILITY, _SUB_IFDS = 34665, 34853, 40965, 330
_POINTERS: Final = frozenset({_EXIF, _GPS, _INTEROPERABILITY})
_PHOTOMETRIC, _DNG_VERSION, _NEW_SUBFILE = 262, 50706, 254
_SENSOR: Final = frozenset({32803, 34892})  # colour filter array, linear raw
_NAMES: Final = {_EXIF: "exif", _GPS: "gps", 700: "xmp", 33723: "iptc", 34377: "iptc", 37500: "maker_note"}
# Those that say how the pixels are stored and what they mean (TIFF 6.0, its supplements, ICC.1 annex B.4).
NEEDED: Final = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281, 282, 283, 284}
    | {
        286,
        287,
        290,
        291,
        292,
        293,
        296,
        297,
        301,
        317,
        318,
        319,
        320,
        321,
        322,
        323,
        324,
        325,
        330,
        332,
        334,
    }
    | {336, 338, 339, 340, 341, 342, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532}
    | {32995, 32996, 32997, 32998, 34675, 34925, 50674}
)
_BYTES_OF_TYPE: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_BYTES_OF_BIG_TYPE: Final = _BYTES_OF_TYPE | {16: 8, 17: 8, 18: 8}
_BLANKED_AT_ONCE: Final = 1024 * 1024


class Entry(NamedTuple):
    """A directory's entry: where it stands, and where its value lies, in it or elsewhere."""

    tag: int
    start: int
    value_at: int
    length: int
    outside: bool


@dataclass(slots=True)
class _Plan:
    """What is to be changed in the copy."""

    blanks: list[tuple[int, int]] = field(default_factory=list)
    patches: list[tuple[int, bytes]] = field(default_factory=list)
    removed: set[str] = field(default_factory=set)
    seen: set[int] = field(default_factory=set)


class _Layout:
    """The widths and the byte order of a file."""

    def __init__(self, source: Mapped) -> None:
        self.source = source
        self.order: Literal["little", "big"] = "little" if source.at(0, 2) == b"II" else "big"
        self.big = self.number(2, 2) == 43
        self.width = 8 if self.big else 4
        self.count_width = 8 if self.big else 2
        self.entry_bytes = 20 if self.big else 12
        self.types = _BYTES_OF_BIG_TYPE if self.big else _BYTES_OF_TYPE

    def number(self, offset: int, length: int) -> int:
        return int.from_bytes(self.source.at(offset, length), self.order)

    def entries(self, directory: int) -> list[Entry]:
        count = self.number(directory, self.count_width)
        if count > _MAXIMUM_ENTRIES:
            raise Rejected("damaged")
        first = directory + self.count_width
        return [self._entry(first + index * self.entry_bytes) for index in range(count)]

    def _entry(self, start: int) -> Entry:
        tag, kind = self.number(start, 2), self.number(start + 2, 2)
        length = self.number(start + 4, self.width) * self.types.get(kind, 1)
        value_at = start + 4 + self.width
        if length <= self.width:
            return Entry(tag, start, value_at, length, outside=False)
        return Entry(tag, start, self.number(value_at, self.width), length, outside=True)

    def next_at(self, directory: int, entries: int) -> int:
        """Where a directory says which one follows it."""
        return directory + self.count_width + entries * self.entry_bytes

    def value(self, entry: Entry) -> int:
        """The first number of a value of at most the width of an offset."""
        kind = self.number(entry.start + 2, 2)
        return self.number(entry.value_at, min(self.types.get(kind, 1), self.width))

    def offsets(self, entry: Entry) -> Iterator[int]:
        for at in range(entry.value_at, entry.value_at + min(entry.length, 64 * self.width), self.width):
            yield self.number(at, self.width)


def clean(source: Mapped, out: IO[bytes], exif: bytes) -> set[str]:  # noqa: ARG001 - a tag that is kept turns the image
    """Write the image without what is private; what was left out is named. Raises Rejected."""
    layout = _Layout(source)
    plan = _Plan()
    first = layout.number(8 if layout.big else 4, layout.width)
    waiting = [first]
    while waiting:
        directory = waiting.pop()
        if directory == 0 or directory in plan.seen:
            continue
        if len(plan.seen) >= _MAXIMUM_DIRECTORIES:
            raise Rejected("too_many_frames")
        plan.seen.add(directory)
        waiting += _plan_directory(layout, directory, plan, is_first=directory == first)
    if sum(length for _, length in plan.blanks) > 2 * source.size:
        raise Rejected("damaged")
    source.copy(0, source.size, out)
    for start, length in plan.blanks:
        _blank(out, start, min(length, source.size - start))
    for offset, content in plan.patches:
        out.seek(offset)
        out.write(content)
    return plan.removed


def _plan_directory(layout: _Layout, directory: int, plan: _Plan, *, is_first: bool) -> list[int]:
    """Plan what happens to one directory; returns those that hang on it."""
    entries = layout.entries(directory)
    _refuse_raw(layout, entries, is_first=is_first)
    kept = [entry for entry in entries if entry.tag in NEEDED]
    for entry in entries:
        if entry.tag not in NEEDED:
            plan.removed.add(_NAMES.get(entry.tag, "tags"))
            _plan_blank(layout, entry, plan, depth=0)
    next_at = layout.next_at(directory, len(entries))
    following = layout.source.at(next_at, layout.width)
    content = len(kept).to_bytes(layout.count_width, layout.order)
    content += b"".join(layout.source.at(entry.start, layout.entry_bytes) for entry in kept) + following
    plan.patches.append((directory, content.ljust(next_at + layout.width - directory, b"\x00")))
    inner = [offset for entry in kept if entry.tag == _SUB_IFDS for offset in layout.offsets(entry)]
    return [int.from_bytes(following, layout.order), *inner]


def _refuse_raw(layout: _Layout, entries: list[Entry], *, is_first: bool) -> None:
    """A camera's raw file needs its private tags, and its first directory is but a preview."""
    values = {entry.tag: layout.value(entry) for entry in entries if not entry.outside}
    sensor = values.get(_PHOTOMETRIC) in _SENSOR
    preview = is_first and bool(values.get(_NEW_SUBFILE, 0) & 1)
    if sensor or preview or _DNG_VERSION in values:
        raise Rejected("unsupported", "The file is a camera's raw picture.")


def _plan_blank(layout: _Layout, entry: Entry, plan: _Plan, depth: int) -> None:
    if entry.outside:
        plan.blanks.append((entry.value_at, entry.length))
    elif entry.tag in _POINTERS and depth < 3:
        directory = layout.value(entry)
        # A pointer to nowhere has nothing behind it.
        if not 8 <= directory < layout.source.size - layout.count_width:
            return
        inner = layout.entries(directory)
        for each in inner:
            if each.tag in _NAMES:
                plan.removed.add(_NAMES[each.tag])
            _plan_blank(layout, each, plan, depth + 1)
        plan.blanks.append((directory, layout.next_at(directory, len(inner)) - directory))


def _blank(out: IO[bytes], start: int, length: int) -> None:
    out.seek(max(start, 8))
    for at in range(max(start, 8), start + length, _BLANKED_AT_ONCE):
        out.write(bytes(min(_BLANKED_AT_ONCE, start + length - at)))


def directories(source: Mapped) -> int:
    """How many pages there are: directories in the chain, at most 1,000 counted. Raises Rejected."""
    layout = _Layout(source)
    seen: set[int] = set()
    directory = layout.number(8 if layout.big else 4, layout.width)
    while directory and directory not in seen and len(seen) < _MAXIMUM_DIRECTORIES:
        seen.add(directory)
        count = layout.number(directory, layout.count_width)
        directory = layout.number(layout.next_at(directory, count), layout.width)
    return max(len(seen), 1)
