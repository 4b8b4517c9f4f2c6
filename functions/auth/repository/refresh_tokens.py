"""Refresh tokens: found, made, rotated."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, insert, or_, select, text
from sqlalchemy.orm import Session

from common.context import current_context
from common.database import AnyRow
from common.models import RefreshToken, User
from common.models import Session as SignIn
from common.settings import get_settings

_REFRESH: Final = (
    select(
        RefreshToken.session_id,
        RefreshToken.rotated_at,
        RefreshToken.successor,
        or_(RefreshToken.expires_at <= func.now(), SignIn.expires_at <= func.now()).label("expired"),
        func.extract("epoch", func.now() - RefreshToken.rotated_at).label("rotated_seconds_ago"),
        SignIn.user_id,
        SignIn.revoked_at,
        SignIn.authenticated_at,
        User.roles,
        User.state,
    )
    .join(SignIn, SignIn.id == RefreshToken.session_id)
    .join(User, User.id == SignIn.user_id)
)


def refresh_token(session: Session, digest: bytes) -> AnyRow | None:
    """A refresh token with its session and account."""
    return session.execute(_REFRESH.where(RefreshToken.digest == digest)).first()


def add_refresh_token(session: Session, session_id: UUID, digest: bytes, lifetime: timedelta) -> None:
    """The first refresh token of a session."""
    session.execute(
        insert(RefreshToken).values(digest=digest, session_id=session_id, expires_at=func.now() + lifetime)
    )


# One statement for the three writes of a rotation. `rotated_at is null` decides between requests that present
# the same token at the same moment: one rotates, the others find no row.
_ROTATE: Final = text("""
    with rotated as (
        update refresh_tokens set rotated_at = clock_timestamp(), successor = :sealed
        where digest = :digest and rotated_at is null
        returning session_id
    ), forgotten as (
        update refresh_tokens set successor = null from rotated
        where refresh_tokens.session_id = rotated.session_id and successor is not null
          and rotated_at < clock_timestamp() - make_interval(secs => :grace)
    ), seen as (
        update sessions set last_seen_at = now(), last_address = :address,
            expires_at = least(
                now() + make_interval(days => :days), created_at + make_interval(days => :longest)
            )
        from rotated where sessions.id = rotated.session_id
        returning sessions.id, sessions.expires_at
    )
    insert into refresh_tokens (digest, session_id, expires_at)
    select :successor, seen.id, seen.expires_at from seen
    returning session_id
""")


def rotate_refresh_token(session: Session, digest: bytes, successor: bytes, sealed: bytes) -> bool:
    """Replace a token by its successor; False where another request has just done so.

    The successors of tokens whose grace is over are erased.
    """
    settings = get_settings()
    parameters = {
        "digest": digest,
        "successor": successor,
        "sealed": sealed,
        "days": settings.refresh_token_days,
        "longest": settings.session_days,
        "address": current_context().client_address,
        "grace": settings.refresh_grace_seconds,
    }
    return session.execute(_ROTATE, parameters).first() is not None
