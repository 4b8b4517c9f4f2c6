"""Recovery: a link for a new password, and another link to verify an address.

What a stranger can ask for with an address is a job, so that the request does the same for every address.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from common import accounts, audit, one_time_tokens
from common.context import current_context
from common.database import in_transaction
from common.jobs import JobContext
from common.mail import send_mail
from common.models import User
from common.models.base import now
from common.one_time_tokens import InvalidLink
from common.settings import get_settings
from functions.auth import api_keys, limits, registration
from functions.auth.asking import ask, take_origin
from functions.auth.notices import tell_of_new_password
from functions.auth.passwords import get_passwords
from functions.auth.repository import credentials


def ask_for_reset(session: Session, email: str) -> None:
    """Have a link mailed to this address, if it is an account's."""
    ask(session, "send_password_reset", email=email)


def ask_for_verification(session: Session, email: str) -> None:
    """Have another verification link mailed to this address, if it is an account's that needs one."""
    ask(session, "resend_verification", email=email)


def send_password_reset(job: JobContext) -> None:
    """Mail a link to the account with the job's address, or, where an administrator asked, to its account."""
    take_origin(job)

    def send(session: Session) -> None:
        account = _account(session, job)
        if account is None or account.state != "active":
            return
        if job.payload:
            # An administrator wants a new password: whoever had the old one may have made keys with it.
            api_keys.end_all_keys(session, account.id)
        mail_reset_link(session, account)

    job.finish_with(send)


def mail_reset_link(session: Session, account: User) -> None:
    """Mail a link that sets a new password. Those before it still work."""
    settings = get_settings()
    lifetime = timedelta(minutes=settings.password_reset_minutes)
    token = one_time_tokens.issue(session, account.id, "reset_password", lifetime)
    values = {
        "name": account.name,
        "link": f"{settings.frontend_url}/reset-password?token={token}",
        "minutes": settings.password_reset_minutes,
    }
    send_mail(session, "reset_password", account.email, values)
    audit.record(session, "password.reset_requested", subject_id=account.id)


def resend_verification(job: JobContext) -> None:
    """Mail another link to an account whose address is not verified; it carries its registration.

    Where there were several, nobody knows whose is the owner's: the link sets a new password instead.
    """
    take_origin(job)

    def send(session: Session) -> None:
        account = _account(session, job)
        if account is None or account.email_verified_at is not None or account.state != "active":
            return
        match credentials.pending_registrations(session, account.id):
            case []:
                registration.mail_link(session, account, account.name, None)
            case [pending]:
                registration.mail_link(session, account, pending.name, pending.password_hash)
            case _:
                mail_reset_link(session, account)

    job.finish_with(send)


def _account(session: Session, job: JobContext) -> User | None:
    if "user_id" in job.payload:
        return accounts.hold_account(session, UUID(job.payload["user_id"]))
    return accounts.find_account(session, job.secret["email"], hold=True)


async def reset_password(token: str, password: str) -> None:
    """Set the password of the link's account, and end all its sessions. Raises InvalidLink."""
    # Looked at before it is spent: rubbish costs no hash.
    await in_transaction(lambda session: _require_live(session, token))
    password_hash = await get_passwords().hash(password)
    await in_transaction(lambda session: _reset(session, token, password_hash))


def _require_live(session: Session, token: str) -> None:
    if one_time_tokens.peek(session, token, "reset_password") is None:
        raise InvalidLink


def _reset(session: Session, token: str, password_hash: str) -> None:
    user_id = one_time_tokens.spend(session, token, "reset_password").user_id
    account = accounts.hold_account(session, user_id)
    if account is None or account.state != "active":
        raise InvalidLink
    credentials.set_password(session, user_id, password_hash)
    # Whoever asked for another address, or registered with this one, did not have the mailbox.
    one_time_tokens.void(session, user_id, "reset_password", "change_email", "verify_email")
    accounts.revoke_sessions(session, "password_reset", user_id=user_id)
    changes: dict[str, Any] = {"password_reset_required": False}
    if account.email_verified_at is None:
        changes["email_verified_at"] = now()
    accounts.change_account(session, user_id, changes)
    limits.forgive_account(session, account.email)
    current_context().user_id = user_id
    audit.record(session, "password.reset", subject_id=user_id)
    tell_of_new_password(session, account.email, account.name)
