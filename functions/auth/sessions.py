"""The sessions of a person: listed, ended, and announced where their device is new."""

import asyncio
from typing import Literal
from uuid import UUID

from sqlalchemy.orm import Session

from common import accounts, audit, one_time_tokens
from common.access import InvalidToken, Principal
from common.database import AnyRow, in_reading
from common.errors import NotFound
from common.jobs import JobContext
from common.mail import send_mail
from common.pagination import Page, PageParameters
from common.rate_limits import within
from common.settings import get_settings
from functions.auth import limits
from functions.auth.devices import device_in_words
from functions.auth.repository import sessions as stored
from functions.auth.schemas.sessions import SessionRead

type Scope = Literal["current", "others", "all"]


async def own_sessions(user: Principal, page: PageParameters) -> Page[SessionRead]:
    """A page of the caller's live sessions, the newest sign-in first."""
    rows, cursor = await in_reading(lambda connection: stored.live_sessions(connection, user.user_id, page))
    # User agents are long to read: without a connection, and in a thread.
    items = await asyncio.to_thread(lambda: [_read(row, user) for row in rows])
    return Page(items=items, next_cursor=cursor)


def _read(row: AnyRow, user: Principal) -> SessionRead:
    return SessionRead(
        id=row.id,
        device=device_in_words(row.user_agent),
        client_address=row.client_address,
        last_address=row.last_address,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        expires_at=row.expires_at,
        current=row.id == user.session_id,
    )


def end_session(session: Session, user: Principal, session_id: UUID) -> None:
    """End one session of the caller. Raises NotFound where they have no such live session."""
    if not accounts.revoke_sessions(session, "signed_out", session_id=session_id, user_id=user.user_id):
        raise NotFound
    audit.record(
        session, "session.revoked", subject_id=user.user_id, reason="signed_out", ended=str(session_id)
    )


def sign_out(session: Session, user: Principal, scope: Scope) -> None:
    """End sessions of the caller; their refresh tokens stop working at once.

    Raises InvalidToken where a session that has ended itself would end others.
    """
    if scope != "current":
        if user.session_id is None or not stored.is_live(session, user.session_id):
            raise InvalidToken
        # Whoever is to be shut out may have asked for another address.
        one_time_tokens.void(session, user.user_id, "change_email")
    match scope:
        case "current":
            ended = accounts.revoke_sessions(session, "signed_out", session_id=user.session_id)
        case "others":
            ended = accounts.revoke_sessions(session, "signed_out", user_id=user.user_id, but=user.session_id)
        case "all":
            ended = accounts.revoke_sessions(session, "signed_out", user_id=user.user_id)
    if ended:
        audit.record(
            session,
            "session.revoked",
            subject_id=user.user_id,
            reason="signed_out",
            scope=scope,
            number=len(ended),
        )


def notice_new_device(job: JobContext) -> None:
    """Mail the owner of a session whose device none of their other sessions had."""
    session_id = UUID(job.payload["session_id"])

    def notice(session: Session) -> None:
        opened = stored.opened(session, session_id)
        if opened is None:
            return
        device = device_in_words(opened.user_agent)
        others = stored.user_agents_before(session, opened.user_id, session_id)
        if any(device_in_words(other) == device for other in others):
            return
        if not within(session, limits.NEW_DEVICES, str(opened.user_id)):
            return
        values = {
            "name": opened.name,
            "device": device,
            "address": opened.client_address,
            "time": f"{opened.created_at:%d %B %Y, %H:%M} UTC",
            "sessions_link": f"{get_settings().frontend_url}/sessions",
            "reset_link": f"{get_settings().frontend_url}/forgot-password",
        }
        send_mail(session, "new_device", opened.email, values)

    job.finish_with(notice)
