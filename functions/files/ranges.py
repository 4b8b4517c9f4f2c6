"""Which bytes a client asks for (RFC 9110, section 14)."""

import re
from dataclasses import dataclass
from typing import Final

MOST: Final = 16
MOST_CHARACTERS: Final = 1024
"""A header with more ranges, or a longer one, is ignored: the answer is the whole."""

# Nothing is so long that more digits say more; and Python refuses thousands of them.
_SPECIFIER: Final = re.compile(r"(?P<first>[0-9]{1,18})-(?P<last>[0-9]{1,18})?|-(?P<suffix>[0-9]{1,18})")
_UNIT: Final = re.compile(r"bytes=(.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes from `first` to `last`, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many."""
        return self.last - self.first + 1

    def touches(self, other: "Span") -> bool:
        """Whether the two overlap, or one begins where the other ends."""
        return self.first <= other.last + 1 and other.first <= self.last + 1


def parse(header: str, size: int) -> list[Span] | None:
    """The spans that a `Range` asks for, of content of `size` bytes; none where there are no such bytes.

    None where the header is to be ignored: another unit, no valid syntax, too many ranges. Those that overlap
    become one, so that nothing is sent twice (section 15.3.7.2).
    """
    found = _UNIT.fullmatch(header.strip(" \t")) if len(header) <= MOST_CHARACTERS else None
    specifiers = [each.strip(" \t") for each in found[1].split(",")] if found else []
    specifiers = [each for each in specifiers if each]
    if not 0 < len(specifiers) <= MOST:
        return None
    spans: list[Span] = []
    for specifier in specifiers:
        match = _SPECIFIER.fullmatch(specifier)
        if match is None or (match["last"] and int(match["last"]) < int(match["first"])):
            return None
        span = _span(match, size)
        if span is not None:
            spans = _joined(spans, span)
    return spans


def _span(match: re.Match[str], size: int) -> Span | None:
    if match["suffix"]:
        first, last = max(0, size - int(match["suffix"])), size - 1
    else:
        first, last = int(match["first"]), min(int(match["last"] or size), size - 1)
    return Span(first, last) if first <= last else None


def _joined(spans: list[Span], new: Span) -> list[Span]:
    touched = [each for each in spans if each.touches(new)]
    whole = Span(min(each.first for each in (new, *touched)), max(each.last for each in (new, *touched)))
    if not touched:
        return [*spans, whole]
    return [whole if each == touched[0] else each for each in spans if each not in touched[1:]]
