"""Registration and the verification of an address, telling nobody who exists."""

from datetime import timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from common import accounts, audit, one_time_tokens
from common.context import current_context
from common.jobs import JobContext
from common.mail import send_mail
from common.models import User
from common.models.base import now
from common.one_time_tokens import InvalidLink
from common.settings import get_settings
from functions.auth.asking import ask, take_origin
from functions.auth.repository import credentials

# Nobody gets a password into an account that is being erased: its erasure would leave it there.
_GOING: Final = ("deleting", "deleted")


def ask_for_account(session: Session, email: str, name: str, password_hash: str) -> None:
    """Have an account made for this address, or its owner told; the request does the same in both cases."""
    ask(session, "register", email=email, name=name, password_hash=password_hash)


def register_asked(job: JobContext) -> None:
    """Do what a registration asked for."""
    take_origin(job)
    asked = job.secret
    job.finish_with(lambda session: register(session, asked["email"], asked["name"], asked["password_hash"]))


def register(session: Session, email: str, name: str, password_hash: str) -> None:
    """Create an account and mail its link; mail the owner a notice where the account is there already.

    An address that was registered but never verified gets another link. It carries the password of this
    registration, which counts only if this link is the one that is clicked.
    """
    created = accounts.create_account(session, email, name=name)
    # Held, so that no link is made for an account that is being verified at this moment.
    account = created or accounts.find_account(session, email, hold=True)
    if account is None or account.email_verified_at is not None or account.state in _GOING:
        _notify_owner(session, account, email)
        return
    if created is not None:
        credentials.set_password(session, account.id, password_hash)
        audit.record(session, "account.registered", subject_id=account.id)
    mail_link(session, account, name, password_hash)


def mail_link(session: Session, account: User, name: str, password_hash: str | None) -> None:
    """Mail a verification link, with the password and the name that it is to confirm where there is one."""
    settings = get_settings()
    lifetime = timedelta(hours=settings.verification_hours)
    token = one_time_tokens.issue(session, account.id, "verify_email", lifetime)
    if password_hash is not None:
        digest = one_time_tokens.token_digest(token)
        credentials.add_pending_registration(session, digest, password_hash, name)
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
    user_id = one_time_tokens.spend(session, token, "verify_email").user_id
    account = accounts.hold_account(session, user_id)
    if account is None or account.email_verified_at is not None or account.state in _GOING:
        raise InvalidLink
    one_time_tokens.void(session, user_id, "verify_email")
    registration = credentials.take_pending_registration(session, one_time_tokens.token_digest(token))
    changes: dict[str, Any] = {"email_verified_at": now()}
    if account.state == "invited":
        # They proved the address by a link that carries a password which anybody may have chosen: what the
        # invitation gives, its own link alone gives.
        one_time_tokens.void(session, user_id, "invitation")
        changes |= {"state": "active", "roles": ["member"]}
    if registration is not None:
        changes["name"] = registration.name
        if credentials.set_password(session, user_id, registration.password_hash):
            # Whoever signed in with the password of another registration may not be the owner of the address.
            accounts.revoke_sessions(session, "email_verified", user_id=user_id)
    accounts.change_account(session, user_id, changes)
    current_context().user_id = user_id
    audit.record(session, "account.email_verified", subject_id=user_id)
