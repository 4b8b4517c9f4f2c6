"""Another address: confirmed on the new one, announced to the old one, which can undo it."""

from datetime import timedelta
from typing import Final, get_args
from uuid import UUID

from sqlalchemy.orm import Session

from common import accounts, audit, one_time_tokens
from common.access import Principal
from common.context import current_context
from common.errors import Conflict
from common.jobs import JobContext
from common.mail import send_mail
from common.models import User
from common.one_time_tokens import InvalidLink, Purpose
from common.settings import get_settings
from functions.auth import api_keys, recovery
from functions.auth.asking import ask, take_origin
from functions.auth.repository import sessions

_ALL_BUT_UNDOING: Final = tuple(each for each in get_args(Purpose.__value__) if each != "undo_email")


class AddressTaken(Conflict):
    """The old address has become somebody else's."""

    code = "address_taken"
    detail = "This address belongs to another account now: ask an administrator for help."


def ask_for_change(session: Session, user: Principal, email: str) -> None:
    """Have a link mailed to the new address; whether somebody has it already is not told."""
    ask(session, "start_email_change", user_id=str(user.user_id), email=email)
    audit.record(session, "account.email_change_requested", subject_id=user.user_id)


def start_email_change(job: JobContext) -> None:
    """Mail the link to the new address, or a notice to its owner where it is somebody's."""
    take_origin(job)

    def start(session: Session) -> None:
        account = accounts.hold_account(session, UUID(job.secret["user_id"]))
        email = job.secret["email"]
        if account is None or account.state != "active" or account.email == email:
            return
        asked_in = current_context().session_id
        if asked_in is None or not sessions.is_live(session, asked_in):
            # Ended since, perhaps by the owner of the account against whoever asked.
            return
        owner = accounts.find_account(session, email)
        if owner is not None and owner.email_verified_at is not None:
            values = {"name": owner.name, "sign_in_link": f"{get_settings().frontend_url}/sign-in"}
            send_mail(session, "email_in_use", email, values)
            return
        _mail_link(session, account, email)

    job.finish_with(start)


def _mail_link(session: Session, account: User, email: str) -> None:
    settings = get_settings()
    one_time_tokens.void(session, account.id, "change_email")
    lifetime = timedelta(hours=settings.verification_hours)
    token = one_time_tokens.issue(session, account.id, "change_email", lifetime, email=email)
    values = {
        "name": account.name,
        "link": f"{settings.frontend_url}/confirm-email?token={token}",
        "hours": settings.verification_hours,
    }
    send_mail(session, "change_email", email, values)


def confirm(session: Session, token: str) -> None:
    """Give the link's account the new address; the old one is told how to undo it. Raises InvalidLink."""
    spent = one_time_tokens.spend(session, token, "change_email")
    account = accounts.hold_account(session, spent.user_id)
    if account is None or account.state != "active" or spent.email is None:
        raise InvalidLink
    old, name, proven = account.email, account.name, account.email_verified_at is not None
    if not accounts.change_email(session, spent.user_id, spent.email):
        raise InvalidLink
    # What was mailed to the old address must not open the account any more, but for the way back.
    one_time_tokens.void(session, spent.user_id, "verify_email", "reset_password", "change_email")
    current_context().user_id = spent.user_id
    audit.record(session, "account.email_changed", subject_id=spent.user_id)
    if proven:
        _announce(session, spent.user_id, old, name)


def _announce(session: Session, user_id: UUID, old: str, name: str) -> None:
    settings = get_settings()
    token = one_time_tokens.issue(
        session, user_id, "undo_email", timedelta(days=settings.email_undo_days), email=old
    )
    values = {
        "name": name,
        "link": f"{settings.frontend_url}/undo-email-change?token={token}",
        "days": settings.email_undo_days,
    }
    send_mail(session, "email_changed", old, values)


def undo(session: Session, token: str) -> None:
    """Give the old address back; all sessions and API keys end, and only a new password opens the account.

    Raises InvalidLink, AddressTaken.
    """
    spent = one_time_tokens.spend(session, token, "undo_email")
    account = accounts.hold_account(session, spent.user_id)
    if account is None or account.state not in ("active", "disabled") or spent.email is None:
        raise InvalidLink
    if not accounts.change_email(session, spent.user_id, spent.email):
        raise AddressTaken
    one_time_tokens.void(session, spent.user_id, *_ALL_BUT_UNDOING)
    # Who undoes a change undoes those after it. The way back to an address from before stays open: it may be
    # the owner's, and this one be that of whoever took the account.
    one_time_tokens.void(session, spent.user_id, "undo_email", since=spent.created_at)
    accounts.revoke_sessions(session, "email_change_undone", user_id=spent.user_id)
    keys = api_keys.end_all_keys(session, spent.user_id)
    changed = accounts.change_account(session, spent.user_id, {"password_reset_required": True})
    current_context().user_id = spent.user_id
    audit.record(session, "account.email_change_undone", subject_id=spent.user_id, api_keys=keys)
    if changed is not None and changed.state == "active":
        recovery.mail_reset_link(session, changed)
