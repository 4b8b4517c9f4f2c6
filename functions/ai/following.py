"""Listening to a message while it is generated and after, from any process, and stopping it."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from common.access import Principal
from common.database import AnyRow, in_reading, in_transaction
from common.errors import NotFound
from functions.ai.conversation_problems import BrokenEventId, TooManyListeners
from functions.ai.repository import generations
from functions.ai.repository import messages as stored
from functions.ai.schemas.conversations import MessageRead, Started
from functions.ai.streaming import times
from functions.ai.streaming.events import Told, count_of_endings, ending, said
from functions.ai.streaming.feed import Feed
from functions.ai.streaming.host import current_host, listen, read_stored

type Events = AsyncGenerator[list[Told]]

MOST_LISTENERS: Final = 20
"""To one message in one process: more than one person has windows."""

_EVENT_ID: Final = re.compile(r"([0-9a-f-]{36}):([0-9]{1,9})")
_BEFORE_ALL: Final = -1


def parse_event_id(event_id: str | None, message_id: UUID) -> int:
    """The number in `<message>:<number>`, -1 where there is none. Raises BrokenEventId."""
    if not event_id:
        return _BEFORE_ALL
    found = _EVENT_ID.fullmatch(event_id)
    if found is None or found[1] != str(message_id):
        raise BrokenEventId
    return int(found[2])


async def follow(user: Principal, conversation_id: UUID, message_id: UUID, number: int) -> Events | None:
    """The events after this number, from wherever they come; None where the last of them was read.

    Raises NotFound, TooManyListeners.
    """
    events = await _follow(user, conversation_id, message_id, number)
    require_room(message_id)
    return events


def require_room(message_id: UUID) -> None:
    """Raises TooManyListeners where no other may listen to a message."""
    if current_host().listeners(message_id) >= MOST_LISTENERS:
        raise TooManyListeners


async def _follow(user: Principal, conversation_id: UUID, message_id: UUID, number: int) -> Events | None:
    host = current_host()
    row = await _read(user, conversation_id, message_id)
    feed = host.feed(message_id)
    if feed is None and row.state == "streaming":
        if message_id in await in_transaction(lambda session: generations.watch(session, [message_id])):
            known = len(await read_stored(message_id, 0))
            feed = host.mirror(message_id, min(max(number, 0), known) + 1)
        else:
            row = await _read(user, conversation_id, message_id)
    if feed is not None:
        return heard(user, _started(row), feed, number)
    if number == row.last_event:
        return None
    return _with_start(_started(row), number, _replay(row, max(number, 0)))


async def follow_new(user: Principal, started: Started) -> Events | None:
    """The events of a message that was started by this request, from the first on."""
    feed = current_host().feed(started.message_id)
    if feed is None:
        return await _follow(user, started.conversation_id, started.message_id, _BEFORE_ALL)
    return heard(user, started, feed, _BEFORE_ALL)


async def _read(user: Principal, conversation_id: UUID, message_id: UUID) -> AnyRow:
    row = await in_reading(
        lambda connection: stored.read(connection, user.user_id, conversation_id, message_id)
    )
    # What a person says is said at once: it has no events.
    if row is None or row.role != "assistant":
        raise NotFound
    return row


def _started(row: AnyRow) -> Started:
    return Started(
        conversation_id=row.conversation_id, parent_id=row.parent_id, message_id=row.id, model=row.model
    )


async def _with_start(started: Started, number: int, events: Events) -> Events:
    async with aclosing(events):
        if number < 0:
            yield [Told(0, "message", started.model_dump(mode="json"))]
        async for told in events:
            yield told


async def heard(user: Principal, started: Started, feed: Feed, number: int) -> Events:
    """The events after this number of what is generated, or was when this began."""
    async with aclosing(_with_start(started, number, listen(feed, max(number, 0)))) as events:
        async for told in events:
            number = told[-1].number if told else number
            yield told
    if feed.ending is not None and number < feed.ending[-1].number:
        # It was read so slowly that they are gone from here, and from the database.
        row = await _read(user, started.conversation_id, started.message_id)
        async with aclosing(_replay(row, number)) as events:
            async for told in events:
                yield told


async def _replay(row: AnyRow, number: int) -> Events:
    """Of a message that has ended: its events, as long as they are kept, or all of its text as one."""
    last = (row.last_event or 0) - count_of_endings(row.prompt_tokens)
    if number > (row.last_event or 0):
        # More was heard than its process had stored when it died: the stored text is what there is.
        yield [Told(last, "snapshot", {"content": row.content, "reasoning": row.reasoning}), *ending(row)]
        return
    events = await read_stored(row.id, number)
    if len(events) == max(0, last - number):
        yield [said(number + index, event) for index, event in enumerate(events, 1)]
    else:
        yield [Told(last, "snapshot", {"content": row.content, "reasoning": row.reasoning})]
    yield [told for told in ending(row) if told.number > number]


async def until_end(user: Principal, conversation_id: UUID, message_id: UUID) -> MessageRead:
    """A message that is generated, once it has ended. Raises NotFound where it was deleted meanwhile."""
    events = await _follow(user, conversation_id, message_id, 0)
    if events is not None:
        async with aclosing(events):
            async for _ in events:
                pass
    return MessageRead.model_validate(await _read(user, conversation_id, message_id))


async def stop(user: Principal, conversation_id: UUID, message_id: UUID) -> MessageRead:
    """Have a message end as `stopped`, wherever it is generated; how it has ended, which may be otherwise.

    Raises NotFound. Where its process is gone, it is `streaming` still, until a sweep finds it.
    """

    def ask(session: Session) -> AnyRow:
        row = stored.read(session, user.user_id, conversation_id, message_id)
        if row is None:
            raise NotFound
        if row.state == "streaming":
            generations.stop(session, message_id)
        return row

    row = await in_transaction(ask)
    if row.state == "streaming":
        current_host().stop(message_id)
        try:
            async with asyncio.timeout(times.STOP):
                return await until_end(user, conversation_id, message_id)
        except TimeoutError:
            row = await _read(user, conversation_id, message_id)
    return MessageRead.model_validate(row)
