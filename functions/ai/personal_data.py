"""What `ai` keeps of a person: exported as lists, and erased."""

from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from common.personal_data import MOST_RECORDS, Topic, records
from functions.ai.repository import personal_data as stored

_BATCH: Final = 500


def collect(session: Session, user_id: UUID) -> dict[str, Topic]:
    """What `ai` knows of a person."""
    return {
        "conversations": Topic(
            "Your conversations with models.", records(stored.conversations(session, user_id, MOST_RECORDS))
        ),
        "messages": Topic(
            "What was said in them, by you and by the models.",
            records(stored.messages(session, user_id, MOST_RECORDS)),
        ),
        "ai_usage": Topic(
            "How much you asked of which model, by day.",
            records(stored.usage(session, user_id, MOST_RECORDS)),
        ),
    }


def erase(session: Session, user_id: UUID) -> dict[str, int]:
    """Delete it; how many there were of what."""
    deleted = 0
    while some := stored.delete_some_conversations(session, user_id, _BATCH):
        deleted += some
    return {"conversations": deleted} | stored.delete_rest(session, user_id)
