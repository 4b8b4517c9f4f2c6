"""Exports as their person sees them: asked for, looked at, fetched."""

import asyncio
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from common import accounts, audit, bucket, one_time_tokens, personal_data
from common.access import InvalidToken, Principal
from common.context import current_context
from common.database import AnyRow, in_reading, in_transaction
from common.errors import NotFound
from common.one_time_tokens import InvalidLink
from common.settings import get_settings
from functions.users.repository import exports as stored
from functions.users.schemas.exports import ExportRead


class NoExport(NotFound):
    """The person has never asked for an export."""

    code = "no_export"
    detail = "There is no export yet: ask for one with POST /v1/users/me/export."


def start(session: Session, user: Principal) -> ExportRead:
    """Begin an export, or give the one that is under way: of several at once, one begins."""
    account = accounts.hold_account(session, user.user_id)
    if account is None or account.state != "active":
        raise InvalidToken
    row = stored.running(session, user.user_id)
    if row is None:
        row = stored.add(session, user.user_id, timedelta(days=get_settings().export_days))
        personal_data.start_export(session, user.user_id, row.id)
        audit.record(session, "export.requested", subject_id=user.user_id)
    return _read(row, None)


async def latest(user: Principal) -> ExportRead:
    """The caller's latest export; with its link where it is ready and they signed in recently.

    Raises NoExport.
    """
    recent = timedelta(seconds=get_settings().recent_sign_in_seconds)
    row = await in_reading(lambda found: stored.latest(found, user.user_id, user.session_id, recent))
    if row is None:
        raise NoExport
    link = await _link(row.object_key, row.created_at) if row.state == "ready" and row.recently else None
    return _read(row, link)


async def download(token: str) -> str:
    """The short-lived address of the archive that a mailed link is about.

    The link works until the archive expires, and not once only: what looks at mails follows links as well.
    Raises InvalidLink.
    """
    row = await in_transaction(lambda session: _find(session, token))
    return await _link(row.object_key, row.created_at)


def _find(session: Session, token: str) -> AnyRow:
    link = one_time_tokens.peek(session, token, "download_export")
    row = stored.downloadable(session, link.user_id) if link else None
    if link is None or row is None:
        raise InvalidLink
    current_context().user_id = link.user_id
    audit.record(session, "export.downloaded", subject_id=link.user_id)
    return row


async def _link(key: str, made: datetime) -> str:
    filename = f"lambkin-export-{made:%Y-%m-%d}.zip"
    # The first presigning of a process imports boto3, and may look for credentials.
    return await asyncio.to_thread(
        bucket.presigned_get, key, filename=filename, content_type="application/zip"
    )


def _read(row: AnyRow, link: str | None) -> ExportRead:
    return ExportRead(
        id=row.id,
        state=row.state,
        created_at=row.created_at,
        ready_at=row.ready_at,
        expires_at=row.expires_at,
        size=row.size,
        link=link,
    )
