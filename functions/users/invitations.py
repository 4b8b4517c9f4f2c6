"""The rules of invitations: an account without a password, and a mailed link that makes it somebody's."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from common import accounts, audit, one_time_tokens
from common.conditional import set_etag
from common.context import current_context
from common.errors import Conflict
from common.mail import send_mail
from common.models import User
from common.principals import Principal
from common.settings import get_settings
from functions.users import powers
from functions.users.administration import describe
from functions.users.repository import invitations as stored
from functions.users.schemas.invitations import Invite, InvitedAccount

_INVITED: Final = "account.invited"
_RESENT: Final = "invitation.resent"
_REVOKED: Final = "invitation.revoked"


class AddressTaken(Conflict):
    """The address has an account; an administrator may know."""

    code = "address_taken"
    detail = "There is an account with this address already."


class NotInvited(Conflict):
    """The account does not wait for its invitation to be accepted."""

    code = "not_invited"
    detail = "This account has no open invitation: it was accepted, or the account was never invited."


def create_invited(session: Session, actor: Principal, wanted: Invite) -> InvitedAccount:
    """`invite`, and where the account is. Raises what it raises."""
    account = invite(session, actor, wanted)
    current_context().response_headers["Location"] = f"/v1/users/{account.id}"
    return _read(session, account)


def invite(session: Session, actor: Principal, wanted: Invite) -> User:
    """A new account in state `invited`, whose link is mailed.

    Of two that invite one address at the same moment, one does. Raises UnknownRole, InsufficientScope,
    AddressTaken.
    """
    powers.keep_roles(session, actor, wanted.roles, _INVITED, subject_id=None)
    return add_invited(session, wanted, invited_by=actor.user_id)


def add_invited(session: Session, wanted: Invite, *, invited_by: UUID | None = None) -> User:
    """The same without a look at the roles, by an operator where it is nobody's.

    Raises AddressTaken before it writes anything.
    """
    account = accounts.create_account(
        session, wanted.email, name=wanted.name, roles=wanted.roles, state="invited"
    )
    if account is None:
        raise AddressTaken
    _mail_link(session, account, invited_by)
    audit.record(session, _INVITED, subject_id=account.id, roles=account.roles)
    return account


def resend(session: Session, actor: Principal, user_id: UUID) -> InvitedAccount:
    """Another link, which rests on the powers of the `actor`; those before it no longer work.

    Raises NotFound, InsufficientScope, NotInvited.
    """
    account = _held_invited(session, actor, user_id, _RESENT)
    one_time_tokens.void(session, user_id, "invitation")
    _mail_link(session, account, actor.user_id)
    audit.record(session, _RESENT, subject_id=user_id)
    return _read(session, account)


def revoke(session: Session, actor: Principal, user_id: UUID) -> None:
    """Delete the invited account with its links. Raises NotFound, InsufficientScope, NotInvited."""
    _held_invited(session, actor, user_id, _REVOKED)
    accounts.delete_account(session, user_id)
    audit.record(session, _REVOKED, subject_id=user_id)


def _held_invited(session: Session, actor: Principal, user_id: UUID, action: str) -> User:
    # Held, so that it is not accepted while its links change.
    account = powers.hold_account(session, actor, user_id, action)
    if account.state != "invited":
        raise NotInvited
    return account


def _mail_link(session: Session, account: User, invited_by: UUID | None) -> None:
    settings = get_settings()
    lifetime = timedelta(days=settings.invitation_days)
    token = one_time_tokens.issue(session, account.id, "invitation", lifetime, issued_by=invited_by)
    link = f"{settings.frontend_url}/accept-invitation?token={token}"
    values = {"name": account.name, "link": link, "days": settings.invitation_days}
    send_mail(session, "invitation", account.email, values)


def _read(session: Session, account: User) -> InvitedAccount:
    set_etag(account.version)
    expires_at = stored.invitation_expiry(session, account.id)
    return InvitedAccount(**describe(account).model_dump(), invitation_expires_at=expires_at)
