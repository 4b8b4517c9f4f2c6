"""How a task says that it did not end as planned, and what is kept of an error."""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

from common.database.faults import describe_database_error, from_database_error
from common.errors import AppError, Unavailable
from common.logs import REDACTED, quotes_values, without_addresses

_LONGEST: Final = 500
_TOKEN: Final = re.compile(r"[A-Za-z0-9_.\-]{16,}")
_SHORTEST_SECRET: Final = 4


class Outcome(StrEnum):
    """How one attempt at a job ended; a label of `lambkin_jobs_total`."""

    DONE = "done"
    RETRIED = "retried"
    DEAD = "dead"
    LOST = "lost"


class Permanent(Exception):
    """Raised by a task: no repetition can help, the job is dead at once. Its sentence is kept in the row."""


class RetryLater(Exception):
    """Raised by a task: try again in `seconds`. It counts as an attempt."""

    def __init__(self, seconds: float, reason: str = "") -> None:
        """`reason` is kept in the row."""
        super().__init__(reason)
        self.seconds = seconds


class LeaseLost(Exception):
    """The job is another handler's by now: its time had run out. What this one would write is rolled back."""


def describe_error(error: BaseException, secret: dict[str, Any]) -> str:
    """The class and the message, at most 500 characters, without addresses and what is in `secret`.

    Of an error whose message quotes values, the class alone.
    """
    name = type(error).__name__
    if described := describe_database_error(error):
        return described
    if quotes_values(type(error).__module__):
        return name
    message = " ".join(str(error).replace("\x00", "").split())
    message = without_addresses(without_secret(message, secret))
    return (f"{name}: {message}" if message else name)[:_LONGEST]


def without_secret(message: str, secret: Mapping[str, Any]) -> str:
    """`message` with every text in `secret`, and every token in those, blanked."""
    for text in sorted(_secret_texts(secret), key=len, reverse=True):
        message = message.replace(text, REDACTED)
    return message


def is_unexpected(error: Exception, outcome: Outcome) -> bool:
    """Whether an attempt ended by a fault of ours, and not by what a task foresees or a repetition cures.

    A server that is away fails every attempt of every job: of that, only what dies is told.
    """
    if isinstance(error, AppError | Permanent | RetryLater | LeaseLost):
        return False
    foreseen = isinstance(from_database_error(error), Unavailable)
    away = isinstance(error, OSError) or type(error).__module__.startswith("botocore.")
    return outcome is Outcome.DEAD or not (foreseen or away)


def _secret_texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _secret_texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _secret_texts(inner)
    elif isinstance(value, str) and len(value) >= _SHORTEST_SECRET:
        yield value
        # A message may hold a part of a link only: its token.
        yield from _TOKEN.findall(value)
