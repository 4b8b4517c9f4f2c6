"""The events of a message's stream, and their numbers.

0 tells which message it is; 1, 2, … are what the model said, as they were stored; after them come those that
the stored message tells: what it cost, and how it ended. So whoever reads a stream again, from wherever,
reads the same events under the same numbers.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from common.database import AnyRow
from common.errors import AppError, NotFound
from common.problems import problem

type Json = dict[str, Any]
type Kind = Literal["message", "delta", "reasoning", "snapshot", "usage", "done", "problem"]

CONTENT: Final = "c"
REASONING: Final = "r"


@dataclass(frozen=True, slots=True)
class Told:
    """One event: its number, its kind, its data."""

    number: int
    kind: Kind
    data: Json


def said(number: int, event: Json) -> Told:
    """What the model said, as it is stored: `{"c": …}` is of its answer, `{"r": …}` of its reasoning."""
    if CONTENT in event:
        return Told(number, "delta", {"content": event[CONTENT]})
    return Told(number, "reasoning", {"content": event[REASONING]})


def text_of(events: list[Json], key: str) -> str:
    """The whole answer, or the whole reasoning."""
    return "".join(event[key] for event in events if key in event)


def count_of_endings(prompt_tokens: int | None) -> int:
    """How many events `ending` gives of a message with these counts."""
    return 1 if prompt_tokens is None else 2


def ending(message: AnyRow) -> list[Told]:
    """The last events of a message that has ended; the number of the last is the message's `last_event`."""
    last = int(message.last_event or 0)
    if message.state == "failed":
        closing = Told(last, "problem", message.problem)
    else:
        closing = Told(last, "done", _done(message))
    if count_of_endings(message.prompt_tokens) == 1:
        return [closing]
    usage = {
        "prompt_tokens": message.prompt_tokens,
        "completion_tokens": message.completion_tokens,
        "total_tokens": message.prompt_tokens + message.completion_tokens,
    }
    return [Told(last - 1, "usage", usage), closing]


def _done(message: AnyRow) -> Json:
    return {
        "message_id": str(message.id),
        "state": message.state,
        "finish_reason": message.finish_reason,
        "truncated": message.truncated,
        "left_out": message.left_out,
        "timings": message.timings,
    }


def closing(message_id: UUID, number: int, error: AppError) -> list[Told]:
    """The last event of a message whose row cannot tell of its end."""
    return [Told(number, "problem", {**problem(error), "message_id": str(message_id)})]


def gone(message_id: UUID, number: int) -> list[Told]:
    """The last event of a message that was deleted while it was generated."""
    deleted = NotFound("The conversation was deleted while the model was answering.")
    return closing(message_id, number, deleted)
