"""The deletion of an account: announced, undone while there is time."""

from datetime import UTC, timedelta
from typing import Final, get_args
from uuid import UUID

from sqlalchemy.orm import Session

from common import accounts, audit, one_time_tokens
from common.access import InvalidToken, Principal
from common.context import current_context
from common.errors import Forbidden, NotFound
from common.jobs import enqueue
from common.mail import send_mail
from common.models import User
from common.one_time_tokens import InvalidLink, Purpose
from common.permissions import ADMINISTRATOR
from common.settings import get_settings
from functions.users import powers
from functions.users.schemas.deletion import DeletionRead

_REQUESTED: Final = "account.deletion_requested"
# An export that was asked for before belongs to its person until the end; and whoever lost their address to
# somebody who then deletes the account can still take both back.
_KEPT: Final = ("download_export", "undo_email")
_VOIDED: Final = tuple(each for each in get_args(Purpose.__value__) if each not in _KEPT)


class OwnAccount(Forbidden):
    """An administrator named their own account."""

    code = "own_account"
    detail = "This is your own account: delete it with DELETE /v1/users/me."


def delete_own(session: Session, user: Principal) -> DeletionRead:
    """Announce the deletion of the caller's account, and mail a link that undoes it.

    Raises LastAdministrator.
    """
    account = accounts.hold_account(session, user.user_id)
    if account is None or account.state != "active":
        raise InvalidToken
    _announce(session, account)
    days = get_settings().deletion_grace_days
    if days:
        token = one_time_tokens.issue(session, account.id, "undo_deletion", timedelta(days=days))
        link = f"{get_settings().frontend_url}/undo-deletion?token={token}"
        values = {"name": account.name, "link": link, "until": _in_words(account)}
        for email in {account.email, *one_time_tokens.addresses(session, account.id, "undo_email")}:
            send_mail(session, "deletion_requested", email, values)
    return DeletionRead(erase_at=account.erase_at)


def delete_another(session: Session, user: Principal, user_id: UUID) -> DeletionRead:
    """Announce the deletion of another's account, and mail them; only an administrator can undo it.

    Where it is announced already, nothing is left to its owner to undo. Raises OwnAccount, NotFound,
    InsufficientScope, LastAdministrator.
    """
    if user_id == user.user_id:
        raise OwnAccount
    account = powers.hold_account(session, user, user_id, _REQUESTED)
    if account.state == "deleted":
        raise NotFound(powers.NO_ACCOUNT)
    if account.state != "deleting":
        _announce(session, account)
    elif not one_time_tokens.void(session, account.id, "undo_deletion"):
        return DeletionRead(erase_at=account.erase_at)
    else:
        audit.record(session, _REQUESTED, subject_id=account.id)
    if get_settings().deletion_grace_days:
        values = {"name": account.name, "until": _in_words(account)}
        send_mail(session, "deletion_by_administrator", account.email, values)
    return DeletionRead(erase_at=account.erase_at)


def _announce(session: Session, account: User) -> None:
    if ADMINISTRATOR in account.roles:
        accounts.keep_an_administrator(session, account.id)
    grace = timedelta(days=get_settings().deletion_grace_days)
    # Held by the caller: it is there.
    accounts.delete_later(session, account.id, grace)
    accounts.revoke_sessions(session, "account_deleted", user_id=account.id)
    one_time_tokens.void(session, account.id, *_VOIDED)
    audit.record(session, _REQUESTED, subject_id=account.id)
    payload = {"user_id": str(account.id)}
    enqueue(session, "users", "erase_account", payload, delay_seconds=grace.total_seconds())


def _in_words(account: User) -> str:
    erase_at = account.erase_at
    return f"{erase_at.astimezone(UTC):%d %B %Y, %H:%M} UTC" if erase_at else ""


def undo(session: Session, token: str) -> None:
    """Take back what the mailed link is about: the account is active again. Raises InvalidLink.

    Its sessions stay ended, and the job of the erasure will find nothing to do.
    """
    found = one_time_tokens.peek(session, token, "undo_deletion")
    # Held first: what comes at the same moment, another click or the erasure, sees what this one did.
    account = accounts.hold_account(session, found.user_id) if found else None
    if account is None or account.state != "deleting" or account.erase_at is None:
        raise InvalidLink
    one_time_tokens.spend(session, token, "undo_deletion")
    accounts.change_account(session, account.id, {"state": "active", "erase_at": None})
    current_context().user_id = account.id
    audit.record(session, "account.deletion_undone", subject_id=account.id)
