"""The audit log, as `users` alone may read it."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import InstrumentedAttribute

from common.models import AuditEntry

SORTS: Final[dict[str, InstrumentedAttribute[Any]]] = {"created_at": AuditEntry.created_at}
UNIQUE: Final = AuditEntry.id

_ENTRIES: Final[Select[*tuple[Any, ...]]] = select(
    AuditEntry.id,
    AuditEntry.created_at,
    AuditEntry.action,
    AuditEntry.outcome,
    AuditEntry.actor_id,
    AuditEntry.subject_id,
    AuditEntry.session_id,
    AuditEntry.api_key_id,
    AuditEntry.client_address,
    AuditEntry.user_agent,
    AuditEntry.request_id,
    AuditEntry.details,
)


def entries(
    *,
    action: str | None = None,
    outcome: str | None = None,
    actor_id: UUID | None = None,
    subject_id: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Select[*tuple[Any, ...]]:
    """The entries that match all that is given. Each filter has an index that is in the lists' order."""
    statement = _ENTRIES
    for column, value in (
        (AuditEntry.action, action),
        (AuditEntry.outcome, outcome),
        (AuditEntry.actor_id, actor_id),
        (AuditEntry.subject_id, subject_id),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if since is not None:
        statement = statement.where(AuditEntry.created_at >= since)
    if until is not None:
        statement = statement.where(AuditEntry.created_at < until)
    return statement
