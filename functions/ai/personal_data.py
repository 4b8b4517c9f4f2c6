"""What `ai` keeps of a person: exported as lists, and erased.

A part of an export is made in memory: of conversations and of messages it has the newest MOST_RECORDS, and
none after those that have MOST_BYTES of text together. So at most twice MOST_BYTES and two rows are held, of
which a message may have 2,000,000 characters and one line of its model's.
"""

from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from common.personal_data import MOST_RECORDS, Topic, records
from functions.ai.repository import personal_data as stored
from functions.ai.repository.amounts import Most

MOST_BYTES: Final = 16 * 1024 * 1024
_BATCH: Final = 500


def collect(session: Session, user_id: UUID) -> dict[str, Topic]:
    """What `ai` knows of a person."""
    most = Most(MOST_RECORDS, MOST_BYTES)
    return {
        "conversations": Topic(
            "Your conversations with models.", records(stored.conversations(session, user_id, most))
        ),
        "messages": Topic(
            "What was said in them, by you and by the models.",
            records(stored.messages(session, user_id, most)),
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
