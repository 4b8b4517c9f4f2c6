"""What `auth` keeps of a person: read for an export, without its secrets, and deleted."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import Delete, delete, select
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import ApiKey, OneTimeToken, Password, PendingRegistration, RefreshToken
from common.models import Session as SignIn

_BATCH: Final = 10_000


def password(session: Session, user_id: UUID) -> Sequence[AnyRow]:
    """When the password was changed last."""
    return session.execute(select(Password.changed_at).where(Password.user_id == user_id)).all()


def registrations(session: Session, user_id: UUID, limit: int) -> Sequence[AnyRow]:
    """The newest registrations of an account that no link has confirmed."""
    statement = (
        select(PendingRegistration.name, OneTimeToken.created_at, OneTimeToken.expires_at)
        .join(OneTimeToken, OneTimeToken.digest == PendingRegistration.digest)
        .where(OneTimeToken.user_id == user_id)
        .order_by(OneTimeToken.created_at.desc())
        .limit(limit)
    )
    return session.execute(statement).all()


def links(session: Session, user_id: UUID, limit: int) -> Sequence[AnyRow]:
    """The newest mailed links to an account."""
    statement = select(
        OneTimeToken.purpose,
        OneTimeToken.email,
        OneTimeToken.created_at,
        OneTimeToken.expires_at,
        OneTimeToken.spent_at,
    )
    mine = statement.where(OneTimeToken.user_id == user_id)
    return session.execute(mine.order_by(OneTimeToken.created_at.desc()).limit(limit)).all()


def sessions(session: Session, user_id: UUID, limit: int) -> Sequence[AnyRow]:
    """The newest sessions of an account, live or not."""
    statement = select(
        SignIn.id,
        SignIn.client_address,
        SignIn.user_agent,
        SignIn.created_at,
        SignIn.authenticated_at,
        SignIn.last_seen_at,
        SignIn.last_address,
        SignIn.expires_at,
        SignIn.revoked_at,
        SignIn.revoked_reason,
    )
    mine = statement.where(SignIn.user_id == user_id)
    return session.execute(mine.order_by(SignIn.created_at.desc()).limit(limit)).all()


def api_keys(session: Session, user_id: UUID, limit: int) -> Sequence[AnyRow]:
    """The newest API keys of an account."""
    statement = select(
        ApiKey.id,
        ApiKey.name,
        ApiKey.scopes,
        ApiKey.networks,
        ApiKey.requests_per_minute,
        ApiKey.created_at,
        ApiKey.updated_at,
        ApiKey.rotated_at,
        ApiKey.expires_at,
        ApiKey.last_used_at,
    )
    mine = statement.where(ApiKey.user_id == user_id)
    return session.execute(mine.order_by(ApiKey.created_at.desc()).limit(limit)).all()


def delete_password(session: Session, user_id: UUID) -> int:
    """Delete the password of an account; how many it had."""
    return _delete(session, delete(Password).where(Password.user_id == user_id))


def delete_registrations(session: Session, user_id: UUID) -> int:
    """Delete the registrations of an account that no link has confirmed; how many."""
    mine = select(OneTimeToken.digest).where(OneTimeToken.user_id == user_id)
    return _delete(session, delete(PendingRegistration).where(PendingRegistration.digest.in_(mine)))


def delete_refresh_tokens(session: Session, user_id: UUID) -> int:
    """Delete the refresh tokens of all sessions of an account; how many.

    Whoever keeps sessions open for months has tens of thousands: in batches no statement runs for long.
    """
    mine = select(RefreshToken.digest).join(SignIn, SignIn.id == RefreshToken.session_id)
    batch = mine.where(SignIn.user_id == user_id).limit(_BATCH)
    total = 0
    while deleted := _delete(session, delete(RefreshToken).where(RefreshToken.digest.in_(batch))):
        total += deleted
    return total


def delete_api_keys(session: Session, user_id: UUID) -> int:
    """Delete the API keys of an account; how many."""
    return _delete(session, delete(ApiKey).where(ApiKey.user_id == user_id))


def _delete(session: Session, statement: Delete) -> int:
    result = session.execute(statement, execution_options={"synchronize_session": False})
    return int(result.rowcount)  # type: ignore[attr-defined]  # a DELETE's result has it
