"""What `users` keeps of a person: exported, and erased."""

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from common import accounts
from common.database import AnyRow
from common.personal_data import MOST_RECORDS, Topic, records
from functions.users.repository import erasure
from functions.users.repository import personal_data as stored


def collect(session: Session, user_id: UUID) -> dict[str, Topic]:
    """What `users` knows of a person."""
    profile = stored.profile(session, user_id)
    if profile is None:
        return {}
    return {
        "profile": Topic("Your account.", profile._asdict()),
        "audit": Topic(
            "What you did and what was done to your account, newest first, at most "
            f"{MOST_RECORDS:,} entries. Where somebody else acted, their address is theirs and not shown.",
            [_entry(row, user_id) for row in stored.audit(session, user_id, MOST_RECORDS)],
        ),
        "exports": Topic(
            "The exports that you asked for.", records(stored.exports(session, user_id, MOST_RECORDS))
        ),
        "invitations": Topic(
            "Lists of people to invite in which your address was.",
            records(stored.invitations(session, user_id, profile.email, MOST_RECORDS)),
        ),
        "bulk_invitations": Topic(
            "Lists of people that you invited; the people in them are not you and not shown.",
            records(stored.bulk_invitations(session, user_id, MOST_RECORDS)),
        ),
    }


def erase(session: Session, user_id: UUID) -> dict[str, int]:
    """Delete what hangs on the account; the account itself is emptied when all functions are done."""
    account = accounts.hold_account(session, user_id)
    email = account.email if account else ""
    return {
        "invitation_lines": erasure.delete_invitation_lines(session, user_id, email),
        "exports": erasure.delete_exports(session, user_id),
    }


def _entry(row: AnyRow, user_id: UUID) -> dict[str, Any]:
    foreign = row.actor_id not in (None, user_id)
    return {
        "created_at": row.created_at,
        "action": row.action,
        "outcome": row.outcome,
        "by": _who(row.actor_id, user_id),
        "on": _who(row.subject_id, user_id),
        "client_address": None if foreign else row.client_address,
        "user_agent": None if foreign else row.user_agent,
        "details": row.details,
    }


def _who(account_id: UUID | None, user_id: UUID) -> str | None:
    if account_id is None:
        return None
    return "you" if account_id == user_id else "somebody else"
