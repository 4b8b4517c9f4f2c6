"""The rules of quotas: all statements on `ai_quotas`, and the only writes but an erasure's."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import AiQuota, ApiKey, Role, User
from common.pagination import PageParameters, SortKey, paginate_rows

_COLUMNS: Final = (
    *(AiQuota.id, AiQuota.role, AiQuota.owner_id, AiQuota.key_id, AiQuota.model, AiQuota.period),
    *(AiQuota.requests, AiQuota.tokens, AiQuota.created_at, AiQuota.updated_at, AiQuota.version),
)
_NEWEST: Final = SortKey(AiQuota.id, "desc")


def page_of_quotas(
    connection: Connection, filters: Mapping[str, Any], page: PageParameters
) -> tuple[list[AnyRow], str | None]:
    """A page of those that every filter fits, the newest first; filters are columns and their values."""
    statement = select(*_COLUMNS)
    for name, value in filters.items():
        statement = statement.where(getattr(AiQuota, name) == value)
    context = "quotas " + " ".join(f"{name}={filters[name]}" for name in sorted(filters))
    return paginate_rows(connection, statement, [_NEWEST], page, context=context)


def find_quota(connection: Connection, quota_id: UUID) -> AnyRow | None:
    """One of them."""
    return connection.execute(select(*_COLUMNS).where(AiQuota.id == quota_id)).first()


def hold_quota(session: Session, quota_id: UUID) -> AiQuota | None:
    """One of them, which nobody changes until the transaction ends."""
    return session.scalar(select(AiQuota).where(AiQuota.id == quota_id).with_for_update())


def add_quota(session: Session, values: Mapping[str, Any]) -> AiQuota | None:
    """A new one; null where there is one of the same, also by a transaction of the same moment."""
    statement = insert(AiQuota).values(**values).on_conflict_do_nothing().returning(AiQuota)
    return session.scalar(statement)


def change_quota(session: Session, quota_id: UUID, changes: Mapping[str, Any]) -> AiQuota:
    """Set columns of one that is held, and count its version up."""
    statement = update(AiQuota).where(AiQuota.id == quota_id)
    statement = statement.values(**changes, version=AiQuota.version + 1, updated_at=func.now())
    return session.scalars(statement.returning(AiQuota), execution_options={"populate_existing": True}).one()


def remove_quota(session: Session, quota_id: UUID) -> None:
    """Delete one."""
    session.execute(delete(AiQuota).where(AiQuota.id == quota_id))


def remove_orphans(session: Session) -> None:
    """Delete those of API keys that are gone."""
    gone = AiQuota.key_id.is_not(None) & ~select(ApiKey.id).where(ApiKey.id == AiQuota.key_id).exists()
    session.execute(delete(AiQuota).where(gone), execution_options={"synchronize_session": False})


def is_account(session: Session, user_id: UUID) -> bool:
    """Whether there is such an account."""
    return session.scalar(select(User.id).where(User.id == user_id, User.state != "deleted")) is not None


def is_role(session: Session, name: str) -> bool:
    """Whether administrators made such a role."""
    return session.scalar(select(Role.name).where(Role.name == name)) is not None


def is_key(session: Session, key_id: UUID) -> bool:
    """Whether there is such an API key."""
    return session.scalar(select(ApiKey.id).where(ApiKey.id == key_id)) is not None
