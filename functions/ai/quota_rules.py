"""The rules of quotas, as administrators make them."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from common import audit
from common.conditional import require_match, set_etag
from common.database import AnyRow
from common.errors import Conflict, InvalidInput, NotFound
from common.ids import new_id
from common.models import AiQuota
from common.pagination import Page, PageParameters
from common.permissions import BUILT_IN
from functions.ai.repository import quotas as stored
from functions.ai.schemas.limits import QuotaChange, QuotaCreate, QuotaQuery, QuotaRead

_NO_QUOTA: Final = "There is no such quota."


class QuotaExists(Conflict):
    """There is one of the same account, role or key, model and period."""

    code = "quota_exists"
    detail = "There is such a quota already: `GET /v1/ai/quotas` has it; change that one."


class UnknownSubject(InvalidInput):
    """There is no such account, role or API key."""

    code = "unknown_subject"
    detail = "Whose quota it is to be does not exist; see `errors`."


def list_quotas(connection: Connection, query: QuotaQuery, page: PageParameters) -> Page[QuotaRead]:
    """A page of those that every filter fits."""
    wanted = {
        "owner_id": query.user_id,
        "role": query.role,
        "key_id": query.api_key_id,
        "model": query.model,
    }
    filters = {name: value for name, value in wanted.items() if value is not None}
    rows, next_cursor = stored.page_of_quotas(connection, filters, page)
    return Page(items=[_quota(row) for row in rows], next_cursor=next_cursor)


def read_quota(connection: Connection, quota_id: UUID) -> QuotaRead:
    """One of them, with its ETag. Raises NotFound."""
    row = stored.find_quota(connection, quota_id)
    if row is None:
        raise NotFound(_NO_QUOTA)
    return _read(row)


def create_quota(session: Session, quota: QuotaCreate) -> QuotaRead:
    """Make one. Raises QuotaExists, UnknownSubject."""
    _require_subject(session, quota)
    values = {
        "id": new_id(),
        "owner_id": quota.user_id,
        "role": quota.role,
        "key_id": quota.api_key_id,
        "model": quota.model,
        "period": quota.period,
        "requests": quota.requests,
        "tokens": quota.tokens,
    }
    made = stored.add_quota(session, values)
    if made is None:
        raise QuotaExists
    _record(session, "ai_quota.created", made, requests=made.requests, tokens=made.tokens)
    return _read(made)


def change_quota(session: Session, quota_id: UUID, change: QuotaChange, if_match: str | None) -> QuotaRead:
    """Change how much it is. Raises NotFound, PreconditionRequired, PreconditionFailed."""
    quota = _hold(session, quota_id)
    require_match(if_match, quota.version)
    changes = {
        name: value
        for name, value in change.model_dump(exclude_unset=True).items()
        if value != getattr(quota, name)
    }
    if not changes:
        return _read(quota)
    _record(session, "ai_quota.changed", quota, **changes)
    return _read(stored.change_quota(session, quota_id, changes))


def delete_quota(session: Session, quota_id: UUID) -> None:
    """Delete one. Raises NotFound."""
    quota = _hold(session, quota_id)
    stored.remove_quota(session, quota_id)
    _record(session, "ai_quota.deleted", quota)


def _hold(session: Session, quota_id: UUID) -> AiQuota:
    quota = stored.hold_quota(session, quota_id)
    if quota is None:
        raise NotFound(_NO_QUOTA)
    return quota


def _require_subject(session: Session, quota: QuotaCreate) -> None:
    unknown = ""
    if quota.user_id is not None and not stored.is_account(session, quota.user_id):
        unknown = "user_id"
    elif quota.role is not None and quota.role not in BUILT_IN and not stored.is_role(session, quota.role):
        unknown = "role"
    elif quota.api_key_id is not None and not stored.is_key(session, quota.api_key_id):
        unknown = "api_key_id"
    if unknown:
        told = {"pointer": f"#/{unknown}", "code": "unknown", "detail": "there is none"}
        raise UnknownSubject(errors=[told])


def _record(session: Session, action: str, quota: AiQuota, **details: Any) -> None:  # noqa: ANN401 - any JSON
    told = {
        "quota": str(quota.id),
        "role": quota.role,
        "api_key": str(quota.key_id) if quota.key_id else None,
        "model": quota.model,
        "period": quota.period,
    }
    details |= {name: value for name, value in told.items() if value is not None}
    audit.record(session, action, subject_id=quota.owner_id, **details)


def _read(quota: AiQuota | AnyRow) -> QuotaRead:
    set_etag(quota.version)
    return _quota(quota)


def _quota(quota: AiQuota | AnyRow) -> QuotaRead:
    return QuotaRead(
        id=quota.id,
        user_id=quota.owner_id,
        role=quota.role,
        api_key_id=quota.key_id,
        model=quota.model,
        period=quota.period,
        requests=quota.requests,
        tokens=quota.tokens,
        created_at=quota.created_at,
        updated_at=quota.updated_at,
    )
