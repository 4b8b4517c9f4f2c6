"""Sign-in and the rotation of refresh tokens."""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from common import accounts, audit
from common.context import current_context
from common.database import AnyRow, in_reading, in_transaction
from common.encryption import DecryptionFailed, seal, unseal
from common.errors import AppError
from common.jobs import enqueue
from common.models.base import now
from common.roles import granted
from common.settings import get_settings
from functions.auth import limits
from functions.auth.passwords import get_passwords
from functions.auth.repository import credentials, refresh_tokens
from functions.auth.schemas.tokens import Tokens
from functions.auth.signing import access_token

REFRESH_TOKEN_PREFIX: Final = "lr_"  # noqa: S105 - begins every token and is no secret
_SUCCESSOR: Final = "refresh-successor"


class InvalidCredentials(AppError):
    """Address and password do not belong together, or there is no such account."""

    status = 401
    code = "invalid_credentials"
    detail = "The email address or the password is wrong."
    keep = True


class EmailNotVerified(AppError):
    """The password is right, the address not proven yet. Only who knows the password learns this."""

    status = 403
    code = "email_not_verified"
    detail = "Open the link in the mail that was sent to you, then sign in."
    keep = True


class AccountDisabled(AppError):
    """The password is right, the account is disabled. Only who knows the password learns this."""

    status = 403
    code = "account_disabled"
    detail = "This account is disabled."
    keep = True


class AccountDeleting(AppError):
    """The password is right, the account is to be erased. Only who knows the password learns this."""

    status = 403
    code = "account_deleting"
    detail = "This account is going to be deleted: the mail that told you says how that is undone."
    keep = True


class PasswordResetRequired(AppError):
    """The password is right, but an administrator or an undone change of address wants a new one."""

    status = 403
    code = "password_reset_required"
    detail = "Set a new password first: ask for a link with POST /v1/auth/password/forgot."
    keep = True


class InvalidRefreshToken(AppError):
    """The refresh token is unknown, expired, revoked, or was used before."""

    status = 401
    code = "invalid_refresh_token"
    detail = "The refresh token is not valid any more: sign in again."
    keep = True


REFUSALS: Final = (
    InvalidCredentials,
    EmailNotVerified,
    AccountDisabled,
    AccountDeleting,
    PasswordResetRequired,
)


@dataclass(frozen=True, slots=True)
class _Credentials:
    user_id: UUID
    roles: tuple[str, ...]
    state: str
    verified: bool
    reset_required: bool
    password_hash: str | None


@dataclass(frozen=True, slots=True)
class _SignedIn:
    """A session, as its tokens tell of it."""

    user_id: UUID
    session_id: UUID
    roles: tuple[str, ...]
    authenticated_at: datetime


async def sign_in(email: str, password: str) -> Tokens:
    """Tokens for an address and its password.

    Known or unknown, an address costs the same queries and the same hashes. Raises InvalidCredentials,
    EmailNotVerified, AccountDisabled, AccountDeleting, PasswordResetRequired; each leaves its trace in the
    audit log.
    """
    passwords = get_passwords()
    found = await in_reading(lambda connection: _credentials(connection, email))
    right = await passwords.verify(found.password_hash if found else None, password)
    if not right or found is None or found.password_hash is None:
        return await in_transaction(lambda session: _refuse(session, found, InvalidCredentials()))
    rehashed = await passwords.hash(password) if passwords.is_outdated(found.password_hash) else None

    def accept(session: Session) -> Tokens:
        tokens = _accept(session, found, rehashed)
        limits.forgive_sign_in(session, email)
        return tokens

    return await in_transaction(accept)


def _credentials(connection: Connection, email: str) -> _Credentials | None:
    row = credentials.credentials(connection, email)
    return None if row is None else _from_row(row)


def _from_row(row: AnyRow) -> _Credentials:
    verified = row.email_verified_at is not None
    return _Credentials(row.id, tuple(row.roles), row.state, verified, row.password_reset_required, row.hash)


def _refuse(session: Session, found: _Credentials | None, refusal: AppError) -> Tokens:
    subject = found.user_id if found else None
    audit.record(session, "session.opened", "refused", subject_id=subject, reason=refusal.code)
    raise refusal


def _accept(session: Session, verified: _Credentials, rehashed: str | None) -> Tokens:
    # While the password was hashed, the account may have been disabled or deleted, or its password changed:
    # what counts is what is there now, and it is held until the session is committed.
    row = credentials.held_credentials(session, verified.user_id)
    if row is None or row.hash != verified.password_hash:
        return _refuse(session, None if row is None else verified, InvalidCredentials())
    found = _from_row(row)
    refusal = _objection(found)
    if refusal is not None:
        return _refuse(session, found, refusal)
    if rehashed is not None and found.password_hash is not None:
        credentials.rehash_password(session, found.user_id, found.password_hash, rehashed)
    return open_session(session, found.user_id, found.roles)


def _objection(found: _Credentials) -> AppError | None:
    """What keeps an account from signing in although its password is right."""
    if found.state == "deleting":
        return AccountDeleting()
    if found.state != "active":
        return AccountDisabled()
    if not found.verified and get_settings().require_verified_email:
        return EmailNotVerified()
    return PasswordResetRequired() if found.reset_required else None


def open_session(session: Session, user_id: UUID, roles: Iterable[str]) -> Tokens:
    """A new session of this account and its first tokens; a new device is told by mail."""
    settings = get_settings()
    lifetime = timedelta(days=min(settings.refresh_token_days, settings.session_days))
    known = accounts.knows_user_agent(session, user_id)
    session_id = accounts.open_session(session, user_id, lifetime)
    token = _new_token()
    refresh_tokens.add_refresh_token(session, session_id, _digest(token), lifetime)
    context = current_context()
    context.user_id, context.session_id = user_id, session_id
    audit.record(session, "session.opened", subject_id=user_id)
    if known is False:
        enqueue(session, "auth", "notice_new_device", {"session_id": str(session_id)})
    return _tokens(session, _SignedIn(user_id, session_id, tuple(roles), now()), token)


def refresh(session: Session, token: str) -> Tokens:
    """The next tokens of a session.

    Of requests that present one token at the same moment, one rotates it and all get its successor, as do
    those within the grace that follows. Later use means that two parties hold the token: the session ends,
    and that is committed although the answer is a refusal. Raises InvalidRefreshToken.
    """
    digest = _digest(token)
    row = refresh_tokens.refresh_token(session, digest)
    if row is None or row.revoked_at is not None or row.expired or row.state != "active":
        raise InvalidRefreshToken
    context = current_context()
    context.user_id, context.session_id = row.user_id, row.session_id
    if row.rotated_at is None:
        successor = _new_token()
        sealed = seal(successor.encode(), token.encode(), _SUCCESSOR)
        if refresh_tokens.rotate_refresh_token(session, digest, _digest(successor), sealed):
            return _tokens(session, _signed_in(row), successor)
        row = refresh_tokens.refresh_token(session, digest)
    return _repeat(session, row, token)


def _repeat(session: Session, row: AnyRow | None, token: str) -> Tokens:
    if row is None or row.successor is None or row.revoked_at is not None:
        raise InvalidRefreshToken
    if row.rotated_seconds_ago > get_settings().refresh_grace_seconds:
        accounts.revoke_sessions(session, "refresh_token_reused", session_id=row.session_id)
        audit.record(session, "session.revoked", subject_id=row.user_id, reason="refresh_token_reused")
        raise InvalidRefreshToken
    try:
        successor = unseal(row.successor, token.encode(), _SUCCESSOR).decode()
    except DecryptionFailed:
        raise InvalidRefreshToken from None
    return _tokens(session, _signed_in(row), successor)


def _signed_in(row: AnyRow) -> _SignedIn:
    return _SignedIn(row.user_id, row.session_id, tuple(row.roles), row.authenticated_at)


def _tokens(session: Session, signed_in: _SignedIn, refresh_token: str) -> Tokens:
    permissions = granted(session.connection(), signed_in.roles)
    token = access_token(
        session, signed_in.user_id, signed_in.session_id, permissions, signed_in.authenticated_at
    )
    return Tokens(
        access_token=token,
        expires_in=get_settings().access_token_seconds,
        refresh_token=refresh_token,
        scope=" ".join(sorted(permissions)),
    )


def _new_token() -> str:
    return REFRESH_TOKEN_PREFIX + secrets.token_urlsafe(32)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
