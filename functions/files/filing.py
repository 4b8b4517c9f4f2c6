"""The rules of files that are there: read, described, thrown away and taken back."""

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from common import audit
from common.access import Principal
from common.conditional import match_if_given, require_match, set_etag
from common.database import AnyRow, in_reading
from common.errors import NotFound
from common.pagination import Page, PageParameters
from common.settings import IN_LAMBDA, get_settings
from functions.files import removal
from functions.files.problems import InTrash, NotInTrash
from functions.files.repository import files as stored
from functions.files.repository import lists, usage
from functions.files.repository.lists import Filters
from functions.files.representation import file_read
from functions.files.schemas.files import FileChange, FileQuery, FileRead, UsageRead

_FIRST_LOOK_SECONDS: Final = 0.15
_SLOWER: Final = 1.5
_LAST_LOOKS_SECONDS: Final = 1.0
_LAMBDA_SECONDS: Final = 2.0


def list_files(
    connection: Connection, user: Principal, query: FileQuery, page: PageParameters
) -> Page[FileRead]:
    """The caller's files that every filter fits."""
    filters = Filters(**query.model_dump(exclude={"sort"}))
    rows, cursor = lists.page(connection, user.user_id, filters, query.order, page)
    return Page(items=[file_read(row) for row in rows], next_cursor=cursor)


async def read(user: Principal, file_id: UUID, wait_seconds: float) -> FileRead:
    """A file, with its ETag; at most `wait_seconds` later where it is `processing`. Raises NotFound."""
    # In Lambda who waits keeps an instance from everybody else.
    patience = min(wait_seconds, _LAMBDA_SECONDS) if IN_LAMBDA else wait_seconds
    end, pause = time.monotonic() + patience, _FIRST_LOOK_SECONDS
    while True:
        row = await in_reading(lambda connection: stored.read(connection, user.user_id, file_id))
        if row is None or row.state != "processing" or time.monotonic() >= end:
            return _read(row)
        # No connection is held meanwhile. Most pictures take a second, what takes longer takes long.
        await asyncio.sleep(min(pause, max(0.0, end - time.monotonic())))
        pause = min(pause * _SLOWER, _LAST_LOOKS_SECONDS)


def _read(row: AnyRow | None) -> FileRead:
    if row is None:
        raise NotFound
    set_etag(row.version)
    return file_read(row)


def change(
    session: Session, user: Principal, file_id: UUID, wanted: FileChange, if_match: str | None
) -> FileRead:
    """Change what describes a file. Raises NotFound, InTrash, PreconditionRequired, PreconditionFailed."""
    held = _hold(session, user, file_id)
    require_match(if_match, held.version)
    if held.trashed_at is not None:
        raise InTrash
    values = {
        name: value
        for name, value in wanted.model_dump().items()
        if value is not None and not _is_same(value, getattr(held, name))
    }
    if values:
        stored.change(session, file_id, values)
    return _read(stored.read(session, user.user_id, file_id))


def _is_same(wanted: object, held: object) -> bool:
    # As JSON: for Python, true is 1.
    return json.dumps(wanted, sort_keys=True) == json.dumps(held, sort_keys=True)


def discard(
    session: Session, user: Principal, file_id: UUID, if_match: str | None, *, permanently: bool
) -> None:
    """Move a file to the trash, or delete it for good. Raises NotFound, PreconditionFailed."""
    held = _hold(session, user, file_id)
    match_if_given(if_match, held.version)
    if permanently:
        removal.delete_file(session, user.user_id, file_id)
        audit.record(session, "file.deleted", subject_id=user.user_id, file_id=str(file_id))
    elif held.trashed_at is None:
        stored.change(session, file_id, {"trashed_at": datetime.now(UTC)})
        audit.record(session, "file.trashed", subject_id=user.user_id, file_id=str(file_id))


def restore(session: Session, user: Principal, file_id: UUID) -> FileRead:
    """Take a file back from the trash. Raises NotFound, NotInTrash."""
    if _hold(session, user, file_id).trashed_at is None:
        raise NotInTrash
    stored.change(session, file_id, {"trashed_at": None})
    audit.record(session, "file.restored", subject_id=user.user_id, file_id=str(file_id))
    return _read(stored.read(session, user.user_id, file_id))


def _hold(session: Session, user: Principal, file_id: UUID) -> AnyRow:
    held = stored.hold(session, user.user_id, file_id)
    if held is None:
        raise NotFound
    return held


def own_usage(connection: Connection, user: Principal) -> UsageRead:
    """How much room the caller has."""
    row = usage.read(connection, user.user_id)
    quota = get_settings().file_quota_bytes
    if row is None:
        return UsageRead(used=0, reserved=0, quota=quota, in_trash=0)
    return UsageRead(
        used=row.used,
        reserved=row.reserved,
        quota=quota if row.quota is None else row.quota,
        in_trash=usage.in_trash(connection, user.user_id),
    )
