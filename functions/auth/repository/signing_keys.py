"""The keys that sign access tokens."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import SigningKey, SigningSecret
from common.tokens import is_published

_SIGNING_KEYS_LOCK: Final = 0x6C616D626B657973


def _retires_after(moment: ColumnElement[datetime] | datetime) -> ColumnElement[bool]:
    return or_(SigningKey.retired_at.is_(None), SigningKey.retired_at > moment)


def signing_key(session: Session) -> tuple[UUID, str] | None:
    """The id and the encrypted private half of the key that signs now."""
    # The clock, and not the beginning of the transaction: what a rotation has just committed counts.
    moment = func.clock_timestamp()
    statement = (
        select(SigningKey.id, SigningSecret.ciphertext)
        .join(SigningSecret, SigningSecret.key_id == SigningKey.id)
        .where(SigningKey.active_at <= moment, _retires_after(moment))
        .order_by(SigningKey.active_at.desc(), SigningKey.id.desc())
        .limit(1)
    )
    row = session.execute(statement).first()
    return (row.id, row.ciphertext) if row else None


def any_secret(session: Session) -> tuple[UUID, str] | None:
    """The id and the encrypted private half of the newest key that has one."""
    statement = select(SigningSecret.key_id, SigningSecret.ciphertext).order_by(SigningSecret.key_id.desc())
    row = session.execute(statement.limit(1)).first()
    return (row.key_id, row.ciphertext) if row else None


def lock_signing_keys(session: Session) -> datetime:
    """Only one transaction at a time changes keys, until it ends; gives the time after the wait for it."""
    session.execute(select(func.pg_advisory_xact_lock(_SIGNING_KEYS_LOCK)))
    return clock(session)


def clock(session: Session) -> datetime:
    """The time by the database's clock."""
    moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return moment


def add_signing_key(
    session: Session, key_id: UUID, public_key: bytes, ciphertext: str, active_at: datetime
) -> None:
    """Both halves of a new key."""
    session.execute(insert(SigningKey).values(id=key_id, public_key=public_key, active_at=active_at))
    session.execute(insert(SigningSecret).values(key_id=key_id, ciphertext=ciphertext))


def next_signing_key(session: Session, moment: datetime) -> AnyRow | None:
    """`id` and `active_at` of the key that is published and does not sign yet."""
    statement = select(SigningKey.id, SigningKey.active_at).where(
        SigningKey.active_at > moment, _retires_after(moment)
    )
    return session.execute(statement.order_by(SigningKey.active_at).limit(1)).first()


def activate_signing_key(session: Session, key_id: UUID, moment: datetime) -> None:
    """Have a key sign from `moment` on."""
    session.execute(update(SigningKey).where(SigningKey.id == key_id).values(active_at=moment))


def retire_other_keys(session: Session, key_id: UUID, moment: datetime) -> None:
    """No other key signs from `moment` on."""
    others = update(SigningKey).where(SigningKey.id != key_id, _retires_after(moment))
    session.execute(others.values(retired_at=moment))


def keep_signing(session: Session, key_id: UUID) -> None:
    """The key does not retire."""
    session.execute(update(SigningKey).where(SigningKey.id == key_id).values(retired_at=None))


def delete_signing_key(session: Session, key_id: UUID) -> bool:
    """Delete both halves; False where there is no such key."""
    statement = delete(SigningKey).where(SigningKey.id == key_id).returning(SigningKey.id)
    return session.execute(statement).first() is not None


def delete_retired_secrets(session: Session, moment: datetime) -> None:
    """Delete the private halves of keys that sign no more."""
    retired = select(SigningKey.id).where(SigningKey.retired_at <= moment)
    session.execute(delete(SigningSecret).where(SigningSecret.key_id.in_(retired)))


def public_keys(session: Session) -> list[tuple[UUID, bytes]]:
    """The public halves of all keys that may sign, have signed or will sign a live token."""
    statement = select(SigningKey.id, SigningKey.public_key).where(is_published())
    rows = session.execute(statement.order_by(SigningKey.created_at, SigningKey.id))
    return [(row.id, row.public_key) for row in rows]


def all_keys(session: Session) -> Sequence[AnyRow]:
    """`id`, `created_at`, `active_at`, `retired_at` and `is_published` of every key, the oldest first."""
    columns = (SigningKey.id, SigningKey.created_at, SigningKey.active_at, SigningKey.retired_at)
    statement = select(*columns, is_published().label("is_published"))
    return session.execute(statement.order_by(SigningKey.active_at, SigningKey.id)).all()
