"""The one writer of mailed links: each carries a random token, stored as a digest, and works once."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.errors import AppError
from common.models import OneTimeToken, User

type Purpose = Literal[
    "verify_email",
    "reset_password",
    "change_email",
    "undo_email",
    "invitation",
    "undo_deletion",
    "download_export",
]

_TOKEN_BYTES: Final = 32


class InvalidLink(AppError):
    """The token of a mailed link is unknown, spent or expired."""

    status = 400
    code = "invalid_link"
    detail = "This link has been used, has expired, or was never sent: ask for a new one."


def token_digest(token: str) -> bytes:
    """What is stored of a token. It has 256 random bits: a plain digest cannot be guessed backwards."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def issue(
    session: Session,
    user_id: UUID,
    purpose: Purpose,
    lifetime: timedelta,
    *,
    email: str | None = None,
    issued_by: UUID | None = None,
) -> str:
    """A new token for this account; `email` is the address that the link is about.

    `issued_by` is the account whose powers it rests on.
    """
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    session.execute(
        insert(OneTimeToken).values(
            digest=token_digest(token),
            user_id=user_id,
            purpose=purpose,
            email=email,
            issued_by=issued_by,
            expires_at=func.now() + lifetime,
        )
    )
    return token


def peek(session: Session, token: str, purpose: Purpose) -> AnyRow | None:
    """`user_id`, `email` and `issued_by` of a token that could be spent; it stays unspent."""
    statement = select(OneTimeToken.user_id, OneTimeToken.email, OneTimeToken.issued_by).where(
        OneTimeToken.digest == token_digest(token),
        OneTimeToken.purpose == purpose,
        OneTimeToken.spent_at.is_(None),
        OneTimeToken.expires_at > func.now(),
    )
    return session.execute(statement).first()


def spend(session: Session, token: str, purpose: Purpose) -> AnyRow:
    """Spend a token; gives its `user_id`, `email` and `created_at`. Of two at once, one gets it.

    The account is held first, as all who change an account do: two of its links at once take turns. Raises
    InvalidLink.
    """
    found = peek(session, token, purpose)
    if found is None:
        raise InvalidLink
    session.execute(select(User.id).where(User.id == found.user_id).with_for_update())
    statement = (
        update(OneTimeToken)
        .where(OneTimeToken.digest == token_digest(token), OneTimeToken.purpose == purpose)
        .where(OneTimeToken.spent_at.is_(None), OneTimeToken.expires_at > func.now())
        .values(spent_at=func.now())
    )
    columns = (OneTimeToken.user_id, OneTimeToken.email, OneTimeToken.created_at)
    spent = session.execute(statement.returning(*columns)).first()
    if spent is None:
        raise InvalidLink
    return spent


def void(session: Session, user_id: UUID, *purposes: Purpose, since: datetime | None = None) -> int:
    """The live links of these kinds (none named: of all) to this account no longer work; how many.

    With `since`, only those that were made then or later.
    """
    statement = update(OneTimeToken).where(
        OneTimeToken.user_id == user_id,
        OneTimeToken.spent_at.is_(None),
        OneTimeToken.expires_at > func.now(),
    )
    if purposes:
        statement = statement.where(OneTimeToken.purpose.in_(purposes))
    if since is not None:
        statement = statement.where(OneTimeToken.created_at >= since)
    voided = statement.values(spent_at=func.now()).returning(OneTimeToken.digest)
    return len(session.execute(voided).all())


def addresses(session: Session, user_id: UUID, purpose: Purpose) -> set[str]:
    """The addresses that the live links of a kind to this account are about."""
    statement = select(OneTimeToken.email).where(
        OneTimeToken.user_id == user_id,
        OneTimeToken.purpose == purpose,
        OneTimeToken.spent_at.is_(None),
        OneTimeToken.expires_at > func.now(),
        OneTimeToken.email.is_not(None),
    )
    return {str(email) for email in session.scalars(statement)}


def delete_all(session: Session, user_id: UUID) -> int:
    """Delete the links to this account, live or not; how many."""
    deleted = delete(OneTimeToken).where(OneTimeToken.user_id == user_id).returning(OneTimeToken.digest)
    return len(session.execute(deleted).all())
