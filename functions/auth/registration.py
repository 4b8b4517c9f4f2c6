"""Registration and the verification of an address, telling nobody who exists."""

import hashlib
import secrets
from datetime import timedelta
from typing import Final

from sqlalchemy.orm import Session

from common import accounts, audit
from common.context import current_context
from common.errors import AppError
from common.mail import send_mail
from common.models import User
from common.models.base import now
from common.settings import get_settings
from functions.auth import repository

_TOKEN_BYTES: Final = 32


class InvalidLink(AppError):
    """The token of a mailed link is unknown, spent or expired."""

    status = 400
    code = "invalid_link"
    detail = "This link has been used, has expired, or was never sent: register again to get a new one."


def register(session: Session, email: str, name: str, password_hash: str) -> None:
    """Create an account and mail its link; mail the owner a notice where the account is there already.

    An address that was registered but never verified gets another link. It carries the password of this
    registration, which counts only if this link is the one that is clicked.
    """
    created = accounts.create_account(session, email, name=name)
    # Held, so that no link is made for an account that is being verified at this moment.
    account = created or accounts.find_account(session, email, hold=True)
    if account is None or account.email_verified_at is not None:
        _notify_owner(session, account, email)
        return
    if created is not None:
        repository.set_password(session, account.id, password_hash)
        audit.record(session, "account.registered", subject_id=account.id)
    _mail_link(session, account, name, password_hash)


def _mail_link(session: Session, account: User, name: str, password_hash: str) -> None:
    settings = get_settings()
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    lifetime = timedelta(hours=settings.verification_hours)
    repository.add_verification(session, account.id, _digest(token), password_hash, name, lifetime)
    link = f"{settings.frontend_url}/verify-email?token={token}"
    values = {"name": name, "link": link, "hours": settings.verification_hours}
    send_mail(session, "verify_email", account.email, values)


def _notify_owner(session: Session, account: User | None, email: str) -> None:
    # None: deleted between two statements. The owner of the address learns nothing wrong from the notice.
    name = account.name if account else ""
    values = {"name": name, "sign_in_link": f"{get_settings().frontend_url}/sign-in"}
    send_mail(session, "account_exists", email, values)
    subject = account.id if account else None
    audit.record(session, "account.registered", "refused", subject_id=subject, reason="exists")


def verify_email(session: Session, token: str) -> None:
    """Mark the address of the link's account as verified. Raises InvalidLink."""
    spent = repository.spend_verification(session, _digest(token))
    if spent is None:
        raise InvalidLink
    account = accounts.hold_account(session, spent.user_id)
    if account is None or account.email_verified_at is not None:
        raise InvalidLink
    repository.spend_other_verifications(session, spent.user_id)
    if spent.password_hash is not None and repository.set_password(
        session, spent.user_id, spent.password_hash
    ):
        # Whoever signed in with the password of another registration may not be the owner of the address.
        accounts.revoke_sessions(session, "email_verified", user_id=spent.user_id)
    accounts.change_account(session, spent.user_id, {"email_verified_at": now(), "name": spent.name or ""})
    current_context().user_id = spent.user_id
    audit.record(session, "account.email_verified", subject_id=spent.user_id)


def _digest(token: str) -> bytes:
    # The token has 256 random bits: a plain digest of it cannot be guessed backwards.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
