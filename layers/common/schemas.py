"""What all request and response models share."""

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field


def storable(text: str) -> str:
    """The text, where Postgres can store it. Raises ValueError."""
    if "\x00" in text:
        raise ValueError("must not contain the character U+0000")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must not contain half of a surrogate pair") from None
    return text


Text = Annotated[str, AfterValidator(storable)]
"""Text that Postgres can store."""


# C0 and C1 controls, and Unicode's separators of lines and paragraphs.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def _one_line(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("must be one line without control characters")
    return text


Line = Annotated[Text, AfterValidator(_one_line)]
"""Text of one line: a name, a title, a subject."""


_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be within the years 1 to 9999 in UTC") from None


def _no_number(value: object) -> object:
    # Pydantic would take seconds since 1970, also as text: the description says a date and a time.
    if isinstance(value, int | float) or (isinstance(value, str) and not _DATE.match(value)):
        raise ValueError("must be a date and a time with its zone, as in RFC 3339")
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(_no_number), AfterValidator(_in_utc)]
"""A time with its zone, that a client sends (RFC 3339); its value is in UTC."""


_DEEPEST: Final = 200


def writable(found: dict[str, Any]) -> dict[str, Any]:
    """The JSON object, where it can be written again, as deep as it is and within more. Raises ValueError."""
    level: list[Any] = [found]
    for _ in range(_DEEPEST):
        inner = (each.values() if isinstance(each, dict) else each for each in level)
        level = [value for values in inner for value in values if isinstance(value, dict | list)]
    if level:
        raise ValueError(f"must nest no deeper than {_DEEPEST} levels")
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("must not contain half of a surrogate pair") from None
    return found


JsonObject = Annotated[dict[str, Any], AfterValidator(writable)]
"""A JSON object of any shape, that a client sends and that is passed on; its numbers are finite anyhow."""


class RequestModel(BaseModel):
    """The body of a request: an unknown member is an error, not a surprise."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False)


class ResponseModel(BaseModel):
    """The body of a response."""

    # A member with a default is always present in an answer: typed clients may rely on it.
    model_config = ConfigDict(from_attributes=True, json_schema_serialization_defaults_required=True)


class Message(ResponseModel):
    """One sentence for a person."""

    message: str = Field(examples=["The address is verified."])
