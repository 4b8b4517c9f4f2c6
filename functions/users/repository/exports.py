"""Exports: asked for, made, kept, gone."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, case, func, insert, or_, select, update
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.ids import new_id
from common.models import Export
from common.models import Session as SignIn

_OVER: Final = (Export.state == "ready") & (Export.expires_at <= func.now())
_COLUMNS: Final = (
    Export.id,
    # The sweep marks it a little later.
    case((_OVER, "expired"), else_=Export.state).label("state"),
    Export.created_at,
    Export.ready_at,
    case((Export.ready_at.is_not(None), Export.expires_at)).label("expires_at"),
    Export.size,
    Export.object_key,
)


def running(session: Session, user_id: UUID) -> AnyRow | None:
    """The person's export that is being made."""
    statement = select(*_COLUMNS).where(Export.user_id == user_id, Export.state == "collecting")
    return session.execute(statement).first()


def add(session: Session, user_id: UUID, kept: timedelta) -> AnyRow:
    """A new export."""
    statement = insert(Export).values(id=new_id(), user_id=user_id, expires_at=func.now() + kept)
    return session.execute(statement.returning(*_COLUMNS)).one()


def latest(
    connection: Connection, user_id: UUID, session_id: UUID | None, recent: timedelta
) -> AnyRow | None:
    """The person's latest export; `recently` tells whether this session's sign-in is that recent."""
    signed_in = select(SignIn.authenticated_at >= func.now() - recent).where(SignIn.id == session_id)
    statement = (
        select(*_COLUMNS, func.coalesce(signed_in.scalar_subquery(), False).label("recently"))
        .where(Export.user_id == user_id)
        .order_by(Export.created_at.desc())
        .limit(1)
    )
    return connection.execute(statement).first()


def downloadable(session: Session, user_id: UUID) -> AnyRow | None:
    """`id`, `object_key` and `created_at` of the person's ready archive."""
    statement = (
        select(Export.id, Export.object_key, Export.created_at)
        .where(Export.user_id == user_id, Export.state == "ready", Export.expires_at > func.now())
        .order_by(Export.created_at.desc())
        .limit(1)
    )
    return session.execute(statement).first()


def state(session: Session, export_id: UUID) -> str | None:
    """The state of an export; None where there is no such export any more."""
    return session.scalar(select(Export.state).where(Export.id == export_id))


def claim_key(session: Session, export_id: UUID, key: str) -> str | None:
    """Where the archive goes: what an earlier attempt chose, or else `key`; None where it is not wanted."""
    mine = update(Export).where(Export.id == export_id, Export.state == "collecting")
    chosen = mine.values(object_key=func.coalesce(Export.object_key, key)).returning(Export.object_key)
    return session.scalar(chosen)


def complete(session: Session, export_id: UUID, size: int, kept: timedelta) -> bool:
    """Mark an export as ready; False where it was not waited for any more."""
    mine = update(Export).where(Export.id == export_id, Export.state == "collecting")
    ready = mine.values(state="ready", size=size, ready_at=func.now(), expires_at=func.now() + kept)
    return session.scalar(ready.returning(Export.id)) is not None


def expire_others(session: Session, user_id: UUID, export_id: UUID) -> None:
    """End the person's other archives: the sweep removes them."""
    others = update(Export).where(Export.user_id == user_id, Export.id != export_id, Export.state == "ready")
    session.execute(others.values(expires_at=func.least(Export.expires_at, func.now())))


def fail(session: Session, export_id: UUID) -> bool:
    """Mark an export as failed; False where it was not waited for any more."""
    mine = update(Export).where(Export.id == export_id, Export.state == "collecting")
    return session.scalar(mine.values(state="failed").returning(Export.id)) is not None


def fail_all(session: Session, user_id: UUID) -> None:
    """Mark what is being made for a person as failed."""
    mine = update(Export).where(Export.user_id == user_id, Export.state == "collecting")
    session.execute(mine.values(state="failed"))


def stuck(session: Session, since: timedelta, limit: int) -> Sequence[AnyRow]:
    """The exports that have been collecting for this long: `id` and `user_id`."""
    statement = select(Export.id, Export.user_id).where(
        Export.state == "collecting", Export.created_at < func.now() - since
    )
    return session.execute(statement.limit(limit)).all()


def removable(session: Session, limit: int) -> Sequence[UUID]:
    """The exports whose archive may be in the bucket and is not wanted any more.

    In any order: one that the bucket refuses to remove, which ends a sweep, must not always be the first.
    """
    statement = select(Export.id).where(Export.object_key.is_not(None), or_(_OVER, Export.state == "failed"))
    return session.scalars(statement.order_by(func.random()).limit(limit)).all()


def forget_archive(session: Session, export_id: UUID) -> None:
    """Note that the archive is gone."""
    over = case((Export.state == "ready", "expired"), else_=Export.state)
    session.execute(update(Export).where(Export.id == export_id).values(object_key=None, state=over))


def with_archives(session: Session, user_id: UUID) -> Sequence[UUID]:
    """The person's exports whose archive may be in the bucket."""
    statement = select(Export.id).where(Export.user_id == user_id, Export.object_key.is_not(None))
    return session.scalars(statement).all()
