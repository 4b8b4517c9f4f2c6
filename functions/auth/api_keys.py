"""The rules of API keys: what a person may give a program, and for how long."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from common import accounts, audit
from common.access import InvalidToken, Principal
from common.api_keys import forget_api_key, key_digest, key_start, new_key
from common.conditional import require_match, set_etag
from common.context import current_context
from common.database import AnyRow
from common.database.transactions import after_commit
from common.errors import Conflict, Forbidden, InvalidInput, NotFound
from common.ids import new_id
from common.models import User
from common.models.base import now
from common.pagination import Page, PageParameters
from common.roles import granted
from functions.auth.notices import tell_of_new_key
from functions.auth.repository import api_keys as stored
from functions.auth.schemas.api_keys import ApiKeyChange, ApiKeyCreate, ApiKeyCreated, ApiKeyRead

MOST_KEYS: Final = 100
# 5 years, two leap days among them.
LONGEST_LIFE: Final = timedelta(days=5 * 365 + 2)


class TooManyApiKeys(Conflict):
    """The account has as many keys as it may have."""

    code = "too_many_api_keys"
    detail = f"An account has at most {MOST_KEYS} API keys: delete one that is not needed any more."


class ScopesTooWide(Forbidden):
    """The key would be allowed what its owner is not."""

    code = "scopes_too_wide"
    detail = "An API key may do no more than its owner: leave out the permissions that you do not have."


class ApiKeyExpired(Conflict):
    """A new secret would not make the key work again."""

    code = "api_key_expired"
    detail = "This key has expired: give it a later expiry first, or create another one."


def create_key(session: Session, user: Principal, wanted: ApiKeyCreate) -> ApiKeyCreated:
    """A new key of the caller's. Raises InvalidInput, ScopesTooWide, TooManyApiKeys."""
    owner = _hold_owner(session, user)
    _check_scopes(session, owner, wanted.scopes)
    _check_expiry(wanted.expires_at)
    # The owner is held: of two requests at the same moment, one counts what the other has made.
    if stored.count_keys(session, owner.id) >= MOST_KEYS:
        raise TooManyApiKeys
    key_id = new_id()
    key = new_key(key_id)
    row = stored.add_key(session, id=key_id, user_id=owner.id, digest=key_digest(key), **wanted.model_dump())
    _record(session, "api_key.created", row, scopes=row.scopes)
    tell_of_new_key(session, owner.email, owner.name, row.name)
    current_context().response_headers["Location"] = f"/v1/auth/api-keys/{key_id}"
    return _show_once(row, key)


def own_keys(connection: Connection, user: Principal, sort: str, page: PageParameters) -> Page[ApiKeyRead]:
    """A page of the caller's keys."""
    rows, next_cursor = stored.keys_of(connection, user.user_id, sort, page)
    return Page(items=[_show(row) for row in rows], next_cursor=next_cursor)


def own_key(connection: Connection, user: Principal, key_id: UUID) -> ApiKeyRead:
    """A key of the caller's. Raises NotFound."""
    row = _find(connection, user, key_id)
    set_etag(row.version)
    return _show(row)


def change_key(
    session: Session, user: Principal, key_id: UUID, change: ApiKeyChange, if_match: str | None
) -> ApiKeyRead:
    """Change a key of the caller's. Raises NotFound, PreconditionFailed, InvalidInput, ScopesTooWide."""
    owner = _hold_owner(session, user)
    row = _find(session.connection(), user, key_id)
    require_match(if_match, row.version)
    changes = change.model_dump(exclude_unset=True)
    _check_scopes(session, owner, changes.get("scopes", ()))
    _check_expiry(changes.get("expires_at"))
    if changes:
        row = stored.change_key(session, key_id, changes)
        _record(session, "api_key.changed", row, fields=sorted(changes))
        after_commit(session, partial(forget_api_key, key_id))
    set_etag(row.version)
    return _show(row)


def rotate_key(session: Session, user: Principal, key_id: UUID, overlap_seconds: int) -> ApiKeyCreated:
    """A key of the caller's with another secret.

    The secret before works for `overlap_seconds`, and one that was before that no more. Raises NotFound,
    ApiKeyExpired.
    """
    _hold_owner(session, user)
    row = _find(session.connection(), user, key_id)
    if row.expires_at is not None and row.expires_at <= now():
        raise ApiKeyExpired
    key = new_key(key_id)
    row = stored.rotate_key(session, key_id, key_digest(key), overlap_seconds)
    _record(session, "api_key.rotated", row, overlap_seconds=overlap_seconds)
    after_commit(session, partial(forget_api_key, key_id))
    return _show_once(row, key)


def delete_key(session: Session, user: Principal, key_id: UUID) -> None:
    """End a key of the caller's. Raises NotFound."""
    owner = _hold_owner(session, user)
    row = _find(session.connection(), user, key_id)
    stored.delete_key(session, owner.id, key_id)
    _record(session, "api_key.deleted", row)
    after_commit(session, partial(forget_api_key, key_id))


def end_all_keys(session: Session, user_id: UUID) -> int:
    """End all keys of an account that somebody else may have held; how many there were."""
    ended = stored.delete_keys(session, user_id)
    for key_id in ended:
        after_commit(session, partial(forget_api_key, key_id))
    return len(ended)


def _hold_owner(session: Session, user: Principal) -> User:
    owner = accounts.hold_account(session, user.user_id)
    # It was active a moment ago, when the session was looked up.
    if owner is None or owner.state != "active":
        raise InvalidToken
    return owner


def _find(connection: Connection, user: Principal, key_id: UUID) -> AnyRow:
    row = stored.find_key(connection, user.user_id, key_id)
    if row is None:
        raise NotFound
    return row


def _check_scopes(session: Session, owner: User, scopes: Iterable[str]) -> None:
    wider = sorted(set(scopes) - granted(session.connection(), owner.roles)) if scopes else []
    if wider:
        raise ScopesTooWide(
            f"An API key may do no more than its owner, and you lack: {', '.join(wider)}.",
            members={"scopes": wider},
        )


def _check_expiry(expires_at: datetime | None) -> None:
    # Not in the schema: a repeated request gets its stored answer also after the key has expired.
    if expires_at is not None and not timedelta() < expires_at - now() <= LONGEST_LIFE:
        problem = {
            "pointer": "#/expires_at",
            "code": "value_error",
            "detail": "must be in the future, and at most 5 years from now",
        }
        raise InvalidInput(errors=[problem])


def _record(session: Session, action: str, row: AnyRow, **details: Any) -> None:  # noqa: ANN401 - any JSON
    audit.record(session, action, subject_id=row.user_id, key_id=str(row.id), **details)


def _show(row: AnyRow) -> ApiKeyRead:
    previous = row.previous_expires_at
    return ApiKeyRead(
        id=row.id,
        name=row.name,
        start=key_start(row.id),
        scopes=row.scopes,
        networks=row.networks,
        requests_per_minute=row.requests_per_minute,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        created_at=row.created_at,
        rotated_at=row.rotated_at,
        previous_expires_at=previous if previous is not None and previous > now() else None,
    )


def _show_once(row: AnyRow, key: str) -> ApiKeyCreated:
    set_etag(row.version)
    return ApiKeyCreated(key=key, **_show(row).model_dump())
