"""What of a conversation a model is sent, as it sees only `num_ctx` tokens at once.

The policy: a quarter of the context is the answer's, or as much as it may have, up to half. If the system
prompt and the whole branch fit into the rest, they are sent. If not, the latest messages are, as many as fit,
the last one in any case; for what is before them stands a summary, if a job has made one by then. How many
messages are neither sent nor in the summary is kept with the answer (`left_out`).

A summary is asked for before it is needed: once the branch takes more than BUSY of its room. It reaches up to
where the latest messages take KEPT of the room.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from common import ollama
from common.database import AnyRow
from functions.ai.repository import messages, summaries

type Json = dict[str, Any]

BUSY: Final = 0.7
KEPT: Final = 0.4
_OCTETS_A_TOKEN: Final = 6
"""More than an estimate takes for a token: so much of a branch is read that it cannot all fit."""
_BEFORE: Final = "What was said before, in short:\n\n"


@dataclass(frozen=True, slots=True)
class Context:
    """`messages` in Ollama's form; how many were left out, and up to which message a summary is wanted."""

    messages: list[Json]
    left_out: int
    wants_summary: UUID | None


@dataclass(frozen=True, slots=True)
class Branch:
    """A conversation's branch, up to the message that is answered."""

    user_id: UUID
    conversation_id: UUID
    leaf_id: UUID | None


def room_for(num_ctx: int, max_tokens: int | None) -> int:
    """How many tokens may be sent."""
    return num_ctx - min(max_tokens or num_ctx // 4, num_ctx // 2)


def assemble(
    connection: Connection | Session, branch: Branch, system: str, content: str | None, room: int
) -> Context:
    """What is sent; `content` is what is said after the branch, None where its last message is answered."""
    said = _history(connection, branch, room)
    new = [] if content is None else [{"role": "user", "content": content}]
    first = [{"role": "system", "content": system}] if system.strip() else []
    first_depth = said[0].depth if said else 0
    whole = [_message(row) for row in said if row.content]
    used = _size([*first, *whole, *new])
    if first_depth == 0 and used <= room * BUSY:
        return Context([*first, *whole, *new], 0, None)
    summary = None
    if branch.leaf_id is not None:
        summary = summaries.latest(connection, branch.user_id, branch.conversation_id, branch.leaf_id)
    wanted = _wanted(said, summary, room)
    if first_depth == 0 and used <= room:
        return Context([*first, *whole, *new], 0, wanted)
    if summary is not None:
        first.append({"role": "system", "content": f"{_BEFORE}{summary.content}"})
    reached = -1 if summary is None else summary.depth
    latest = _latest(said, reached, room - _size([*first, *new]), at_least=1 - len(new))
    begins = latest[0].depth if latest else (said[-1].depth + 1 if said else 0)
    sent = [_message(row) for row in latest if row.content]
    return Context([*first, *sent, *new], max(0, begins - reached - 1), wanted)


def _history(connection: Connection | Session, branch: Branch, room: int) -> Sequence[AnyRow]:
    if branch.leaf_id is None:
        return []
    path = (branch.conversation_id, branch.leaf_id)
    return messages.history(connection, branch.user_id, path, room * _OCTETS_A_TOKEN)


def _latest(said: Sequence[AnyRow], reached: int, room: int, at_least: int) -> list[AnyRow]:
    """The latest that have room together, of those that no summary reaches."""
    found: list[AnyRow] = []
    for row in reversed(said):
        room -= _size([_message(row)])
        if (room < 0 or row.depth <= reached) and len(found) >= at_least:
            break
        found.insert(0, row)
    # Not in the middle of an exchange: an answer to nothing says nothing.
    if len(found) > 1 and found[0].role == "assistant":
        del found[0]
    return found


def _wanted(said: Sequence[AnyRow], summary: AnyRow | None, room: int) -> UUID | None:
    """The message up to which a summary would be of use, if there is not one that does nearly as well."""
    reached = -1 if summary is None else summary.depth
    open_messages = [row for row in said if row.depth > reached]
    if _size([_message(row) for row in open_messages]) <= room * BUSY:
        return None
    kept = _latest(open_messages, -1, int(room * KEPT), at_least=1)
    rest = open_messages[: len(open_messages) - len(kept)]
    return rest[-1].id if rest else None


def _message(row: AnyRow) -> Json:
    return {"role": row.role, "content": row.content}


def _size(given: Sequence[Json]) -> int:
    return ollama.estimate_tokens(given)
