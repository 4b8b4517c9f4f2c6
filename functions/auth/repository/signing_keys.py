"""The keys that sign access tokens."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from common.models import SigningKey, SigningSecret

_SIGNING_KEYS_LOCK: Final = 0x6C616D626B657973


def newest_signing_key(session: Session) -> tuple[UUID, str] | None:
    """The id and the encrypted private half of the key that signs."""
    statement = (
        select(SigningKey.id, SigningSecret.ciphertext)
        .join(SigningSecret, SigningSecret.key_id == SigningKey.id)
        .where(SigningKey.retired_at.is_(None))
        .order_by(SigningKey.created_at.desc())
        .limit(1)
    )
    row = session.execute(statement).first()
    return (row.id, row.ciphertext) if row else None


def lock_signing_keys(session: Session) -> None:
    """Only one transaction at a time makes a key; the lock ends with it."""
    session.execute(select(func.pg_advisory_xact_lock(_SIGNING_KEYS_LOCK)))


def add_signing_key(session: Session, key_id: UUID, public_key: bytes, ciphertext: str) -> None:
    """Both halves of a new key."""
    session.execute(insert(SigningKey).values(id=key_id, public_key=public_key))
    session.execute(insert(SigningSecret).values(key_id=key_id, ciphertext=ciphertext))


def public_keys(session: Session, retired_since: datetime) -> list[tuple[UUID, bytes]]:
    """The public halves of all keys that may still have signed a live token."""
    live = SigningKey.retired_at.is_(None) | (SigningKey.retired_at > retired_since)
    rows = session.execute(
        select(SigningKey.id, SigningKey.public_key).where(live).order_by(SigningKey.created_at)
    )
    return [(row.id, row.public_key) for row in rows]
