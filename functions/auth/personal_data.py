"""What `auth` keeps of a person: exported without its secrets, and erased."""

from uuid import UUID

from sqlalchemy.orm import Session

from common import accounts, one_time_tokens
from common.personal_data import MOST_RECORDS, Topic, records
from functions.auth.repository import personal_data as stored


def collect(session: Session, user_id: UUID) -> dict[str, Topic]:
    """What `auth` knows of a person. Hashes, digests and tokens are in none of it."""
    return {
        "password": Topic(
            "When your password was changed last. The password itself is stored by nobody, only its hash.",
            records(stored.password(session, user_id)),
        ),
        "sessions": Topic(
            "Where you signed in, with which program, from which network address, and how long it lasted.",
            records(stored.sessions(session, user_id, MOST_RECORDS)),
        ),
        "api_keys": Topic(
            "The API keys that you made, and what each may do. The keys themselves are not stored.",
            records(stored.api_keys(session, user_id, MOST_RECORDS)),
        ),
        "links": Topic(
            "The links that were mailed to you lately, and whether they were used.",
            records(stored.links(session, user_id, MOST_RECORDS)),
        ),
        "registrations": Topic(
            "Registrations with your address that were not confirmed yet.",
            records(stored.registrations(session, user_id, MOST_RECORDS)),
        ),
    }


def erase(session: Session, user_id: UUID) -> dict[str, int]:
    """Delete all that lets a person, or somebody in their place, in; how many there were of what."""
    return {
        "passwords": stored.delete_password(session, user_id),
        "pending_registrations": stored.delete_registrations(session, user_id),
        "one_time_tokens": one_time_tokens.delete_all(session, user_id),
        "refresh_tokens": stored.delete_refresh_tokens(session, user_id),
        "sessions": accounts.delete_sessions(session, user_id),
        "api_keys": stored.delete_api_keys(session, user_id),
    }
