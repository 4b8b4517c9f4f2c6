"""One tick of the keeper: what was said here is stored, what was said elsewhere and is heard here is read."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from common.database import AnyRow, Database, get_database
from common.errors import Unavailable
from common.jobs import enqueue
from common.logs import get_logger
from common.problems import InternalError, from_exception
from functions.ai.repository import generations as stored
from functions.ai.repository.generations import Progress
from functions.ai.streaming import times
from functions.ai.streaming.events import Json, closing, ending, gone
from functions.ai.streaming.running import Running

if TYPE_CHECKING:
    from functions.ai.streaming.host import Host

log = get_logger(__name__)

TITLE_TASK: Final = "title_conversation"

type _Ends = Mapping[UUID, AnyRow | None]


async def tick(host: "Host") -> None:
    """Store and read what is new. What fails is left for the next tick."""
    database = get_database("ai")
    if host.running:
        written = [(running, running.progress()) for running in host.running.values()]
        await _store(host, database, written)
    # A while after the last listener, as the first may be on its way.
    for feed in [feed for feed in host.mirrors.values() if feed.silent_for() > times.WATCH]:
        del host.mirrors[feed.message_id]
    if host.mirrors:
        try:
            await _look(host, database)
        except Exception as error:  # noqa: BLE001 - the database may be back at the next tick
            log.warning("generations_not_read", problem=from_exception(error).code)


def events_from(parts: Iterable[AnyRow], number: int) -> list[Json]:
    """The events of one message's parts from this number on."""
    return [event for part in parts for event in part.events[max(0, number - part.first) :]]


async def _store(host: "Host", database: Database, written: Sequence[tuple[Running, Progress]]) -> None:
    try:
        marks, ends = await database.run(lambda session: _write(session, written))
    except Exception as error:  # noqa: BLE001 - what is not stored is kept, and stored at the next tick
        told = from_exception(error)
        log.warning("generations_not_stored", problem=told.code, generations=len(written))
        if isinstance(told, Unavailable):
            return
        if len(written) > 1:
            # Nobody's words keep those of the others out of the database.
            for each in written:
                await _store(host, database, [each])
        else:
            _give_up(host, written[0][0])
        return
    for running, progress in written:
        _settle(host, running, progress, marks.get(progress.message_id), ends)


def _write(session: Session, written: Sequence[tuple[Running, Progress]]) -> tuple[dict[UUID, AnyRow], _Ends]:
    marks, ends = stored.store(session, [progress for _, progress in written])
    for running, progress in written:
        if running.order.untitled and running.end == "done" and ends.get(progress.message_id) is not None:
            conversation = {"conversation_id": str(running.order.conversation_id)}
            enqueue(session, "ai", TITLE_TASK, conversation, max_attempts=4)
    return marks, ends


def _settle(host: "Host", running: Running, progress: Progress, mark: AnyRow | None, ends: _Ends) -> None:
    """What follows from what is written of one."""
    running.store_succeeded(progress)
    if progress.end is not None:
        row = ends.get(progress.message_id)
        number = running.feed.next
        del host.running[progress.message_id]
        running.feed.end(gone(progress.message_id, number) if row is None else ending(row))
    elif mark is None:
        # Deleted, or taken for lost by a sweep while this process could not write.
        running.ask_to_end("interrupted")
    elif mark.stopped:
        running.ask_to_end("stopped")
    elif mark.unwatched > times.RESUME and running.feed.silent_for() > times.RESUME:
        running.ask_to_end("abandoned")


def _give_up(host: "Host", running: Running) -> None:
    """Nothing of this one can be stored: whoever listens is told, and a sweep marks its message."""
    log.error("generation_not_storable", message_id=str(running.order.message_id))
    running.ask_to_end("failed")
    host.running.pop(running.order.message_id, None)
    running.feed.end(closing(running.order.message_id, running.feed.next, InternalError()))


async def _look(host: "Host", database: Database) -> None:
    ids = list(host.mirrors)
    if time.monotonic() - host.watched_at > times.WATCH:
        await database.run(lambda session: stored.watch(session, ids))
        host.watched_at = time.monotonic()
    wanted = {message_id: feed.next for message_id, feed in host.mirrors.items()}
    parts, ends = await database.read(lambda connection: _read(connection, wanted))
    for message_id, feed in list(host.mirrors.items()):
        feed.add(*events_from(parts.get(message_id, ()), feed.next))
        if message_id in ends:
            row = ends[message_id]
            del host.mirrors[message_id]
            feed.end(gone(message_id, feed.next) if row is None else ending(row))


def _read(connection: Connection, wanted: Mapping[UUID, int]) -> tuple[dict[UUID, list[AnyRow]], _Ends]:
    # In this order: the last parts are committed together with the end.
    ends = stored.ended(connection, wanted)
    parts: dict[UUID, list[AnyRow]] = {}
    for part in stored.new_parts(connection, wanted):
        parts.setdefault(part.message_id, []).append(part)
    return parts, ends
