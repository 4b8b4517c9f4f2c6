"""The queries of `auth`, and the only writes on the tables that it owns."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import OneTimeToken, Password, RefreshToken, SigningKey, SigningSecret, User
from common.models import Session as SignIn
from common.settings import get_settings

VERIFY_EMAIL: Final = "verify_email"
_SIGNING_KEYS_LOCK: Final = 0x6C616D626B657973


def credentials(connection: Connection, email: str) -> AnyRow | None:
    """Id, hash, role, state and verification of the account with this address."""
    statement = (
        select(User.id, User.role, User.state, User.email_verified_at, Password.hash)
        .join(Password, Password.user_id == User.id, isouter=True)
        .where(User.email == email)
    )
    return connection.execute(statement).first()


def held_credentials(session: Session, user_id: UUID) -> AnyRow | None:
    """The same for an account with a password, held against changes until the transaction ends."""
    statement = (
        select(User.id, User.role, User.state, User.email_verified_at, Password.hash)
        .join(Password, Password.user_id == User.id)
        .where(User.id == user_id)
        .with_for_update(read=True)
    )
    return session.execute(statement).first()


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


def add_verification(
    session: Session, user_id: UUID, digest: bytes, password_hash: str, name: str, lifetime: timedelta
) -> None:
    """Remember what a mailed verification link carries."""
    session.execute(
        insert(OneTimeToken).values(
            digest=digest,
            user_id=user_id,
            purpose=VERIFY_EMAIL,
            password_hash=password_hash,
            name=name,
            expires_at=func.now() + lifetime,
        )
    )


def spend_verification(session: Session, digest: bytes) -> AnyRow | None:
    """Spend a verification token; None where it is unknown, expired or spent. Of two at once, one gets it."""
    statement = (
        update(OneTimeToken)
        .where(OneTimeToken.digest == digest, OneTimeToken.purpose == VERIFY_EMAIL)
        .where(OneTimeToken.spent_at.is_(None), OneTimeToken.expires_at > func.now())
        .values(spent_at=func.now())
    )
    columns = (OneTimeToken.user_id, OneTimeToken.password_hash, OneTimeToken.name)
    return session.execute(statement.returning(*columns)).first()


def spend_other_verifications(session: Session, user_id: UUID) -> None:
    """The other links that were mailed to this account no longer work."""
    statement = update(OneTimeToken).where(OneTimeToken.user_id == user_id, OneTimeToken.spent_at.is_(None))
    session.execute(statement.where(OneTimeToken.purpose == VERIFY_EMAIL).values(spent_at=func.now()))


_REFRESH: Final = (
    select(
        RefreshToken.session_id,
        RefreshToken.rotated_at,
        RefreshToken.successor,
        (RefreshToken.expires_at <= func.now()).label("expired"),
        func.extract("epoch", func.now() - RefreshToken.rotated_at).label("rotated_seconds_ago"),
        SignIn.user_id,
        SignIn.revoked_at,
        User.role,
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
        update sessions set last_seen_at = now(), expires_at = now() + make_interval(days => :days)
        from rotated where sessions.id = rotated.session_id
    )
    insert into refresh_tokens (digest, session_id, expires_at)
    select :successor, session_id, now() + make_interval(days => :days) from rotated
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
        "grace": settings.refresh_grace_seconds,
    }
    return session.execute(_ROTATE, parameters).first() is not None


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
