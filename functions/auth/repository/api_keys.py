"""API keys: listed, made, changed, rotated, deleted."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, delete, func, insert, null, select, update
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import ApiKey
from common.pagination import PageParameters, paginate_rows, parse_sort

# All but the digests, which are of no use to anybody who asks.
_SHOWN: Final[tuple[Any, ...]] = (
    ApiKey.id,
    ApiKey.user_id,
    ApiKey.name,
    ApiKey.scopes,
    ApiKey.networks,
    ApiKey.requests_per_minute,
    ApiKey.expires_at,
    ApiKey.last_used_at,
    ApiKey.created_at,
    ApiKey.rotated_at,
    ApiKey.previous_expires_at,
    ApiKey.version,
)


def count_keys(session: Session, user_id: UUID) -> int:
    """How many keys an account has."""
    statement = select(func.count()).select_from(ApiKey).where(ApiKey.user_id == user_id)
    return session.execute(statement).scalar_one()


def add_key(session: Session, **values: Any) -> AnyRow:  # noqa: ANN401 - the columns of a row
    """A new key."""
    return session.execute(insert(ApiKey).values(**values).returning(*_SHOWN)).one()


def keys_of(
    connection: Connection, user_id: UUID, sort: str, page: PageParameters
) -> tuple[list[AnyRow], str | None]:
    """A page of an account's keys, and the cursor of the next."""
    keys = parse_sort(sort, {"created_at": ApiKey.created_at}, ApiKey.id)
    mine = select(*_SHOWN).where(ApiKey.user_id == user_id)
    return paginate_rows(connection, mine, keys, page, context=f"api keys of {user_id}")


def find_key(connection: Connection, user_id: UUID, key_id: UUID) -> AnyRow | None:
    """A key of this account."""
    statement = select(*_SHOWN).where(ApiKey.id == key_id, ApiKey.user_id == user_id)
    return connection.execute(statement).first()


def change_key(session: Session, key_id: UUID, changes: Mapping[str, Any]) -> AnyRow:
    """Set columns of a key that is held, and count its version up."""
    statement = update(ApiKey).where(ApiKey.id == key_id)
    statement = statement.values(**changes, version=ApiKey.version + 1, updated_at=func.now())
    return session.execute(statement.returning(*_SHOWN)).one()


def rotate_key(session: Session, key_id: UUID, digest: bytes, overlap_seconds: int) -> AnyRow:
    """Give a key that is held another secret; the one before works for `overlap_seconds`, and no other."""
    until = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, overlap_seconds)
    changes = {
        "digest": digest,
        "previous_digest": ApiKey.digest if overlap_seconds else null(),
        # No longer than the key itself: `least` passes over a null.
        "previous_expires_at": func.least(until, ApiKey.expires_at) if overlap_seconds else null(),
        "rotated_at": func.now(),
    }
    return change_key(session, key_id, changes)


def delete_key(session: Session, user_id: UUID, key_id: UUID) -> bool:
    """Delete a key of this account; False where there is none."""
    statement = delete(ApiKey).where(ApiKey.id == key_id, ApiKey.user_id == user_id)
    return session.execute(statement.returning(ApiKey.id)).first() is not None


def delete_keys(session: Session, user_id: UUID) -> list[UUID]:
    """All keys of an account are gone; gives their ids."""
    return list(session.scalars(delete(ApiKey).where(ApiKey.user_id == user_id).returning(ApiKey.id)))
