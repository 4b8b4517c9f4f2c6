"""The rules of invitations: an account without a password, and a mailed link that makes it somebody's."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from common import accounts, audit, one_time_tokens
from common.context import current_context
from common.errors import Conflict, InvalidInput, NotFound
from common.mail import send_mail
from common.models import User
from common.permissions import BUILT_IN, permissions_of
from common.principals import InsufficientScope, Principal
from common.settings import get_settings
from functions.users.repository import invitations as stored
from functions.users.schemas.invitations import Invite, InvitedAccount

_ESCALATES: Final = "You may give no role, and touch no account, that may do more than you may."


class AddressTaken(Conflict):
    """The address has an account; an administrator may know."""

    code = "address_taken"
    detail = "There is an account with this address already."


class NotInvited(Conflict):
    """The account does not wait for its invitation to be accepted."""

    code = "not_invited"
    detail = "This account has no open invitation: it was accepted, or the account was never invited."


class UnknownRole(InvalidInput):
    """A role that neither is built in nor has been made."""

    code = "unknown_role"
    detail = "There is no such role; see `errors`."


def create_invited(session: Session, actor: Principal, wanted: Invite) -> InvitedAccount:
    """`invite`, and where the account is. Raises what it raises."""
    account = invite(session, actor, wanted)
    current_context().response_headers["Location"] = f"/v1/users/{account.id}"
    return _read(session, account)


def invite(session: Session, actor: Principal, wanted: Invite) -> User:
    """A new account in state `invited`, whose link is mailed.

    Of two that invite one address at the same moment, one does. Raises UnknownRole, InsufficientScope,
    AddressTaken, each before anything is written.
    """
    _require_held(session, actor, wanted.roles)
    return add_invited(session, wanted, actor.user_id)


def add_invited(session: Session, wanted: Invite, actor_id: UUID | None) -> User:
    """`invite` without a look at the roles; None acts for who operates the stack. Raises AddressTaken."""
    account = accounts.create_account(
        session, wanted.email, name=wanted.name, roles=wanted.roles, state="invited"
    )
    if account is None:
        raise AddressTaken
    _mail_link(session, account)
    audit.record(session, "account.invited", subject_id=account.id, actor_id=actor_id, roles=account.roles)
    return account


def resend(session: Session, actor: Principal, user_id: UUID) -> InvitedAccount:
    """Another link; those before it no longer work. Raises NotFound, InsufficientScope, NotInvited."""
    account = _held_invited(session, actor, user_id)
    one_time_tokens.void(session, user_id, "invitation")
    _mail_link(session, account)
    audit.record(session, "invitation.resent", subject_id=user_id)
    return _read(session, account)


def revoke(session: Session, actor: Principal, user_id: UUID) -> None:
    """Delete the invited account with its links. Raises NotFound, InsufficientScope, NotInvited."""
    _held_invited(session, actor, user_id)
    accounts.delete_account(session, user_id)
    audit.record(session, "invitation.revoked", subject_id=user_id)


def _held_invited(session: Session, actor: Principal, user_id: UUID) -> User:
    # Held, so that it is not accepted while its links change.
    account = accounts.hold_account(session, user_id)
    if account is None or account.state == "deleted":
        raise NotFound
    _require_permissions(actor, _permissions(session, account.roles))
    if account.state != "invited":
        raise NotInvited
    return account


def _require_held(session: Session, actor: Principal, roles: Sequence[str]) -> None:
    own_made = _own_made(session, roles)
    unknown = [
        {"pointer": f"#/roles/{index}", "code": UnknownRole.code, "detail": f"There is no role {role!r}."}
        for index, role in enumerate(roles)
        if role not in BUILT_IN and role not in own_made
    ]
    if unknown:
        raise UnknownRole(errors=unknown)
    _require_permissions(actor, permissions_of(roles, _all(own_made)))


def _permissions(session: Session, roles: Sequence[str]) -> frozenset[str]:
    return permissions_of(roles, _all(_own_made(session, roles)))


def _own_made(session: Session, roles: Sequence[str]) -> dict[str, list[str]]:
    named = [role for role in roles if role not in BUILT_IN]
    return stored.own_made_roles(session, named) if named else {}


def _all(own_made: dict[str, list[str]]) -> list[str]:
    return [permission for permissions in own_made.values() for permission in permissions]


def _require_permissions(actor: Principal, permissions: frozenset[str]) -> None:
    if not permissions <= actor.permissions:
        raise InsufficientScope(_ESCALATES)


def _mail_link(session: Session, account: User) -> None:
    settings = get_settings()
    lifetime = timedelta(days=settings.invitation_days)
    token = one_time_tokens.issue(session, account.id, "invitation", lifetime)
    link = f"{settings.frontend_url}/accept-invitation?token={token}"
    values = {"name": account.name, "link": link, "days": settings.invitation_days}
    send_mail(session, "invitation", account.email, values)


def _read(session: Session, account: User) -> InvitedAccount:
    return InvitedAccount(
        id=account.id,
        email=account.email,
        name=account.name,
        roles=account.roles,
        state="invited",
        created_at=account.created_at,
        invitation_expires_at=stored.invitation_expiry(session, account.id),
    )
