"""What is being generated: written by the process that does it, watched and stopped from any.

Whoever writes takes the rows of `generations` first and those of `messages` then.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, delete, func, insert, select, text, update
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import Generation, GenerationPart, Message

type Json = dict[str, Any]

_BEAT: Final = text("""
    update generations as g
    set beat_at = now(), ended_at = case when p.ended then now() end
    from jsonb_to_recordset(cast(:progress as jsonb)) as p (id uuid, ended boolean)
    where g.message_id = p.id and g.ended_at is null
    returning g.message_id, g.stop_requested_at is not null as stopped,
        cast(extract(epoch from now() - g.watched_at) as float8) as unwatched
""")
_PARTS: Final = text("""
    insert into generation_parts (message_id, first, events)
    select id, first, events
    from jsonb_to_recordset(cast(:parts as jsonb)) as p (id uuid, first integer, events jsonb)
    on conflict (message_id, first) do update set events = excluded.events
""")
_ENDS: Final = text("""
    update messages as m
    set state = e.state, content = e.content, reasoning = e.reasoning, finish_reason = e.finish_reason,
        problem = e.problem, truncated = e.truncated, prompt_tokens = e.prompt_tokens,
        completion_tokens = e.completion_tokens, timings = e.timings, last_event = e.last_event,
        finished_at = now()
    from jsonb_to_recordset(cast(:ends as jsonb)) as e (
        id uuid, state text, content text, reasoning text, finish_reason text, problem jsonb,
        truncated boolean, prompt_tokens integer, completion_tokens integer, timings jsonb, last_event integer
    )
    where m.id = e.id and m.state = 'streaming'
""")
_NEW_PARTS: Final = text("""
    select p.message_id, p.first, p.events
    from jsonb_to_recordset(cast(:wanted as jsonb)) as w (id uuid, next integer)
    join generation_parts p on p.message_id = w.id
        and p.first + jsonb_array_length(p.events) > w.next
    order by p.message_id, p.first
""")


@dataclass(frozen=True, slots=True)
class Progress:
    """What is new of one generation: its events from number `first` on, and, once it has ended, its message.

    `end` has the columns of the message, in JSON.
    """

    message_id: UUID
    first: int
    events: Sequence[Json]
    end: Json | None = None


def add(session: Session, values: dict[str, Any]) -> None:
    """A message is going to be generated."""
    session.execute(insert(Generation).values(**values))


def store(
    session: Session, progress: Sequence[Progress]
) -> tuple[dict[UUID, AnyRow], dict[UUID, AnyRow | None]]:
    """Write the progress of many; what becomes of each that is still ours, and the messages that have ended.

    Of each by its message: whether it should stop (`stopped`), and for how many seconds nobody has watched it
    from elsewhere (`unwatched`). One that is not among them is gone, or was ended by a sweep. The messages
    are those whose progress has an end, as they are now; None where there is no such message any more.
    """
    beats = [{"id": str(each.message_id), "ended": each.end is not None} for each in progress]
    marks = {row.message_id: row for row in session.execute(_BEAT, {"progress": json.dumps(beats)})}
    parts = [
        {"id": str(each.message_id), "first": each.first, "events": each.events}
        for each in progress
        if each.events and each.message_id in marks
    ]
    if parts:
        session.execute(_PARTS, {"parts": json.dumps(parts)})
    ends = [{"id": str(each.message_id), **each.end} for each in progress if each.end is not None]
    if not ends:
        return marks, {}
    end(session, ends)
    return marks, ended(session, [each.message_id for each in progress if each.end is not None])


def end(session: Session, ends: Sequence[Mapping[str, Any]]) -> None:
    """End messages, unless they have ended before: who comes first is right."""
    session.execute(_ENDS, {"ends": json.dumps(list(ends))})


def watch(session: Session, message_ids: Iterable[UUID]) -> set[UUID]:
    """Note that somebody listens from here; which of them are still under way."""
    watched = (
        update(Generation)
        .where(Generation.message_id.in_(list(message_ids)), Generation.ended_at.is_(None))
        .values(watched_at=func.now())
    )
    return set(session.scalars(watched.returning(Generation.message_id)))


def stop(session: Session, message_id: UUID) -> None:
    """Ask whoever generates it to stop."""
    session.execute(
        update(Generation)
        .where(Generation.message_id == message_id, Generation.ended_at.is_(None))
        .values(stop_requested_at=func.coalesce(Generation.stop_requested_at, func.now()))
    )


def new_parts(connection: Connection, wanted: Mapping[UUID, int]) -> Sequence[AnyRow]:
    """The parts that have events from the given number on, of each message, in their order."""
    told = [{"id": str(message_id), "next": number} for message_id, number in wanted.items()]
    return connection.execute(_NEW_PARTS, {"wanted": json.dumps(told)}).all()


def ended(connection: Connection | Session, message_ids: Iterable[UUID]) -> dict[UUID, AnyRow | None]:
    """Those of these messages that are not generated any more; None where there is no such message."""
    wanted = list(message_ids)
    found = connection.execute(select(*Message.__table__.columns).where(Message.id.in_(wanted))).all()
    by_id = {row.id: row for row in found}
    over = (each for each in wanted if each not in by_id or by_id[each].state != "streaming")
    return {each: by_id.get(each) for each in over}


def lost(session: Session, seconds: float, limit: int) -> Sequence[AnyRow]:
    """Some whose process gave no sign of life for so long, held."""
    silent = select(Generation.message_id, Generation.reservation_id, Generation.prompt_tokens).where(
        Generation.beat_at < _before(seconds), Generation.ended_at.is_(None)
    )
    locked = silent.order_by(Generation.beat_at).limit(limit).with_for_update(skip_locked=True)
    return session.execute(locked).all()


def events(session: Session, message_id: UUID) -> list[Json]:
    """All that was stored of one, in order."""
    mine = select(GenerationPart.events).where(GenerationPart.message_id == message_id)
    return [event for part in session.scalars(mine.order_by(GenerationPart.first)) for event in part]


def close(session: Session, message_ids: Iterable[UUID]) -> None:
    """Mark those as ended whose process cannot."""
    session.execute(
        update(Generation)
        .where(Generation.message_id.in_(list(message_ids)), Generation.ended_at.is_(None))
        .values(ended_at=func.now())
    )


def forget(session: Session, seconds: float, limit: int) -> int:
    """Delete some that ended so long ago, with their parts; how many."""
    # Not by `ended_at` first: the index that there is serves this, as nothing beats after its end.
    old = (
        select(Generation.message_id)
        .where(Generation.beat_at < _before(seconds), Generation.ended_at < _before(seconds))
        .limit(limit)
    )
    gone = delete(Generation).where(Generation.message_id.in_(old)).returning(Generation.message_id)
    return len(session.execute(gone).all())


def _before(seconds: float) -> Any:  # noqa: ANN401 - an SQL expression
    return func.now() - func.make_interval(0, 0, 0, 0, 0, 0, seconds)
