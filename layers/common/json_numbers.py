"""JSON whose numbers can be written again: those that a 64-bit float holds (RFC 8259, section 6).

Python's parser takes NaN and Infinity, makes infinity of 1e999, and reads integers of any length. Where that
is written again it is no JSON any more, or fails.
"""

import json
import math
from typing import Any, Final, NoReturn

OUT_OF_RANGE: Final = (
    "A number in the body is NaN, infinite, or larger than a 64-bit float holds: send one that fits, or text."
)
_MOST_DIGITS: Final = 308
"""More than any integer has that matters, and fewer than overflow a float."""


def parse(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON value
    """What it says. Raises ValueError where it is no JSON or has other numbers, RecursionError.

    The latter with OUT_OF_RANGE as the message of a json.JSONDecodeError.
    """
    return _STRICT.decode(_characters(text))


def parse_leniently(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The same, with null in place of other numbers. Raises ValueError, RecursionError."""
    return _LENIENT.decode(_characters(text))


def _characters(text: str | bytes) -> str:
    return text if isinstance(text, str) else text.decode(json.detect_encoding(text), "surrogatepass")


def _refuse(_: str) -> NoReturn:
    raise json.JSONDecodeError(OUT_OF_RANGE, "", 0)


def _nothing(_: str) -> None:
    return None


def _float(text: str) -> float | None:
    found = float(text)
    return found if math.isfinite(found) else None


def _strict_float(text: str) -> float:
    found = float(text)
    return found if math.isfinite(found) else _refuse(text)


def _integer(text: str) -> int | None:
    return int(text) if len(text) <= _MOST_DIGITS else None


def _strict_integer(text: str) -> int:
    return int(text) if len(text) <= _MOST_DIGITS else _refuse(text)


# Made once: making one takes longer than reading a line.
_STRICT: Final = json.JSONDecoder(
    parse_constant=_refuse, parse_float=_strict_float, parse_int=_strict_integer
)
_LENIENT: Final = json.JSONDecoder(parse_constant=_nothing, parse_float=_float, parse_int=_integer)
