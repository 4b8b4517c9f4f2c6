"""Lists of people to invite, as CSV (RFC 4180): read, and judged as far as that needs no database."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import ValidationError

from common.errors import InvalidInput
from functions.users.schemas.invitations import Invite

COLUMNS: Final = ("email", "name", "roles")
MOST_LINES: Final = 1000
LONGEST_EMAIL: Final = 320
LONGEST_DETAIL: Final = 500
_BETWEEN_ROLES: Final = re.compile(r"[;\s]+")


class InvalidCsv(InvalidInput):
    """The list cannot be read as a whole; nobody is invited."""

    code = "invalid_csv"
    detail = "The first line must be `email,name,roles`, with commas between the columns."


@dataclass(frozen=True, slots=True)
class ListLine:
    """One line: `line` is where it begins, the header being line 1; `outcome` None is to be worked off.

    All its text can be stored and shown: control characters are replaced, what is too long is cut.
    """

    line: int
    email: str
    name: str = ""
    roles: tuple[str, ...] = ()
    outcome: Literal["invalid", "duplicate"] | None = None
    detail: str = ""


def read_list(content: bytes) -> list[ListLine]:
    """The lines of a list without its header and without empty ones, each address normalised.

    A line that is wrong is `invalid`, one whose address was in a line above is `duplicate`. Raises InvalidCsv
    where the whole cannot be read, has another header, no lines, or more than MOST_LINES.
    """
    records = _records(_text(content))
    _, header = next(records, (0, []))
    if tuple(field.strip().lower() for field in header) != COLUMNS:
        raise InvalidCsv
    found: list[ListLine] = []
    first_seen: dict[str, int] = {}
    for number, fields in records:
        if len(found) == MOST_LINES:
            raise InvalidCsv(f"The list has more than {MOST_LINES} lines: send it in several parts.")
        line = _judge(number, fields)
        if line.outcome is None and (above := first_seen.setdefault(line.email, number)) != number:
            told = f"The address is in line {above}."
            line = ListLine(number, line.email, outcome="duplicate", detail=told)
        found.append(line)
    if not found:
        raise InvalidCsv("There is no line after the header: list at least one person.")
    return found


def _text(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\x00"
    if "\x00" in text:
        raise InvalidCsv("This is no text in UTF-8: export the list as “CSV UTF-8”.")
    return text


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line where it begins; those in which nothing stands are left out."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    begin = 1
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                yield begin, fields
            begin = reader.line_num + 1
    except csv.Error as error:
        raise InvalidCsv(f"Line {begin} cannot be read ({error}): check its quotes.") from None


def _judge(number: int, fields: list[str]) -> ListLine:
    if len(fields) != len(COLUMNS):
        found = f"The line has {len(fields)} fields and not three: put quotes around one that holds a comma."
        return _invalid(number, fields, found)
    email, name, roles = (field.strip() for field in fields)
    named = [role for role in _BETWEEN_ROLES.split(roles) if role]
    given: dict[str, Any] = {"email": email, "name": name} | ({"roles": named} if named else {})
    try:
        wanted = Invite.model_validate(given)
    except ValidationError as error:
        return _invalid(number, fields, _fault(error))
    return ListLine(number, wanted.email, wanted.name, tuple(dict.fromkeys(wanted.roles)))


def _fault(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    if first["type"] == "string_pattern_mismatch":
        return f"There is no role {first['input']}."
    return f"{first['loc'][0]}: {first['msg'].removeprefix('Value error, ')}"


def _invalid(number: int, fields: list[str], detail: str) -> ListLine:
    email = _shown(fields[0].strip(), LONGEST_EMAIL)
    return ListLine(number, email, outcome="invalid", detail=_shown(detail, LONGEST_DETAIL))


def _shown(text: str, longest: int) -> str:
    cut = text[:longest]
    return "".join(character if character.isprintable() else "\ufffd" for character in cut)
