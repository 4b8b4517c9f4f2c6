"""Generations whose process is gone: what was said is kept, and marked as interrupted."""

from typing import Any, Final

from sqlalchemy.orm import Session

from common.database import AnyRow, get_database
from common.logs import get_logger
from functions.ai.repository import generations
from functions.ai.repository.reservations import settle_lost
from functions.ai.streaming import times
from functions.ai.streaming.events import CONTENT, REASONING, count_of_endings, text_of

log = get_logger(__name__)

_BATCH: Final = 50
_FORGOTTEN: Final = 500


def sweep() -> None:
    """Mark what is lost, and forget what nobody can come back to. It may run as often as one likes."""
    database = get_database("ai")
    while database.transaction(_mark_some) == _BATCH:
        pass
    while database.transaction(_forget_some) == _FORGOTTEN:
        pass


def _mark_some(session: Session) -> int:
    lost = generations.lost(session, times.LOST, _BATCH)
    if lost:
        generations.close(session, [each.message_id for each in lost])
        generations.end(session, [_mark(session, each) for each in lost])
        log.warning("generations_interrupted", generations=len(lost))
    return len(lost)


def _mark(session: Session, lost: AnyRow) -> dict[str, Any]:
    events = generations.events(session, lost.message_id)
    if lost.reservation_id is not None:
        settle_lost(session, lost.reservation_id, lost.prompt_tokens, len(events))
    return {
        "id": str(lost.message_id),
        "state": "interrupted",
        "content": text_of(events, CONTENT),
        "reasoning": text_of(events, REASONING),
        "truncated": False,
        "timings": {},
        "last_event": len(events) + count_of_endings(None),
    }


def _forget_some(session: Session) -> int:
    return generations.forget(session, times.RESUME, _FORGOTTEN)
