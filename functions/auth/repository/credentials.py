"""Passwords, and the registrations that wait for their link."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import OneTimeToken, Password, PendingRegistration, User

_CREDENTIALS: Final = (
    User.id,
    User.email,
    User.name,
    User.roles,
    User.state,
    User.email_verified_at,
    User.password_reset_required,
    Password.hash,
)


def credentials(connection: Connection, email: str) -> AnyRow | None:
    """Id, roles, state, verification and hash of the account with this address."""
    statement = (
        select(*_CREDENTIALS)
        .join(Password, Password.user_id == User.id, isouter=True)
        .where(User.email == email)
    )
    return connection.execute(statement).first()


def held_credentials(session: Session, user_id: UUID) -> AnyRow | None:
    """The same for an account with a password, held against changes until the transaction ends."""
    statement = (
        select(*_CREDENTIALS)
        .join(Password, Password.user_id == User.id)
        .where(User.id == user_id)
        .with_for_update(read=True)
    )
    return session.execute(statement).first()


def password_hash(connection: Connection, user_id: UUID) -> str | None:
    """The hash of an account's password."""
    return connection.scalar(select(Password.hash).where(Password.user_id == user_id))


def set_password(session: Session, user_id: UUID, password_hash: str) -> bool:
    """Give an account its password, or another one; False where it has this one already."""
    statement = upsert(Password).values(user_id=user_id, hash=password_hash)
    statement = statement.on_conflict_do_update(
        index_elements=["user_id"],
        set_={"hash": statement.excluded.hash, "changed_at": func.now()},
        where=Password.hash != statement.excluded.hash,
    )
    return session.execute(statement.returning(Password.user_id)).first() is not None


def rehash_password(session: Session, user_id: UUID, old_hash: str, new_hash: str) -> None:
    """Store the same password under newer parameters, unless it was changed meanwhile."""
    statement = update(Password).where(Password.user_id == user_id, Password.hash == old_hash)
    session.execute(statement.values(hash=new_hash))


def add_pending_registration(session: Session, digest: bytes, password_hash: str, name: str) -> None:
    """Remember what came with the registration that the link with this digest confirms."""
    session.execute(insert(PendingRegistration).values(digest=digest, password_hash=password_hash, name=name))


def take_pending_registration(session: Session, digest: bytes) -> AnyRow | None:
    """`password_hash` and `name` of the registration of a link, which forgets them."""
    statement = delete(PendingRegistration).where(PendingRegistration.digest == digest)
    columns = (PendingRegistration.password_hash, PendingRegistration.name)
    return session.execute(statement.returning(*columns)).first()


def pending_registrations(session: Session, user_id: UUID) -> Sequence[AnyRow]:
    """`password_hash` and `name` of the registrations of an account that no link has confirmed, two at most.

    Links that carry the same registration count once.
    """
    statement = (
        select(PendingRegistration.password_hash, PendingRegistration.name)
        .join(OneTimeToken, OneTimeToken.digest == PendingRegistration.digest)
        .where(OneTimeToken.user_id == user_id)
        .distinct()
        .limit(2)
    )
    return session.execute(statement).all()
