"""Tokens of any kind, as whoever was given one presents them."""

from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, case, delete, func, or_, select
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import ApiKey, RefreshToken, User
from common.models import Session as SignIn


def session_of_refresh_token(session: Session, digest: bytes) -> AnyRow | None:
    """`session_id` and `user_id` of a refresh token, used or not."""
    statement = (
        select(RefreshToken.session_id, SignIn.user_id)
        .join(SignIn, SignIn.id == RefreshToken.session_id)
        .where(RefreshToken.digest == digest)
    )
    return session.execute(statement).first()


def live_refresh_token(connection: Connection, digest: bytes) -> AnyRow | None:
    """A refresh token that would be rotated now, with its session and account."""
    expires_at = func.least(RefreshToken.expires_at, SignIn.expires_at)
    statement = (
        select(
            RefreshToken.session_id,
            RefreshToken.created_at,
            expires_at.label("expires_at"),
            SignIn.user_id,
            SignIn.authenticated_at,
            User.roles,
        )
        .join(SignIn, SignIn.id == RefreshToken.session_id)
        .join(User, User.id == SignIn.user_id)
        .where(RefreshToken.digest == digest, RefreshToken.rotated_at.is_(None), expires_at > func.now())
        .where(SignIn.revoked_at.is_(None), User.state == "active")
    )
    return connection.execute(statement).first()


def _is_key(key_id: UUID, digest: bytes) -> ColumnElement[bool]:
    """The key, or the one before it where that still works after a rotation."""
    overlaps = and_(ApiKey.previous_digest == digest, ApiKey.previous_expires_at > func.now())
    return and_(ApiKey.id == key_id, or_(ApiKey.digest == digest, overlaps))


def live_api_key(connection: Connection, key_id: UUID, digest: bytes) -> AnyRow | None:
    """An API key that works now, with the roles of its account."""
    is_present = ApiKey.digest == digest
    made_at = func.coalesce(ApiKey.rotated_at, ApiKey.created_at)
    ends_at = func.least(ApiKey.expires_at, ApiKey.previous_expires_at)
    statement = (
        select(
            ApiKey.user_id,
            ApiKey.scopes,
            ApiKey.networks,
            case((is_present, made_at), else_=ApiKey.created_at).label("made_at"),
            case((is_present, ApiKey.expires_at), else_=ends_at).label("expires_at"),
            User.roles,
        )
        .join(User, User.id == ApiKey.user_id)
        .where(_is_key(key_id, digest), User.state == "active")
        .where(or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.now()))
    )
    return connection.execute(statement).first()


def delete_api_key(session: Session, key_id: UUID, digest: bytes) -> UUID | None:
    """Delete an API key; gives its account, or None where there is no such key."""
    statement = delete(ApiKey).where(_is_key(key_id, digest))
    return session.scalar(
        statement.returning(ApiKey.user_id), execution_options={"synchronize_session": False}
    )
