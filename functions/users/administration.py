"""The rules by which administrators look after accounts."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from common import accounts, audit, one_time_tokens
from common.access import Principal
from common.conditional import match_if_given, require_match, set_etag
from common.database import AnyRow
from common.errors import Conflict, Forbidden, InvalidInput, NotFound
from common.jobs import enqueue
from common.models import User
from common.pagination import Page, PageParameters
from common.permissions import ADMINISTRATOR
from functions.users import powers
from functions.users.repository import accounts as stored
from functions.users.schemas.administration import AccountChange, AccountQuery, AccountRead

_DISABLED: Final = "account.disabled"
_ENABLED: Final = "account.enabled"


class OwnAccount(Forbidden):
    """Whoever disables their own account could not take it back."""

    code = "own_account"
    detail = "Nobody can disable their own account: ask another administrator."


class WrongState(Conflict):
    """The account's state does not allow this."""

    code = "wrong_state"
    detail = "The account's state does not allow this: read it again."


def list_accounts(connection: Connection, query: AccountQuery, page: PageParameters) -> Page[AccountRead]:
    """A page of accounts."""
    filters = stored.Filters(**query.model_dump(exclude={"sort"}))
    rows, next_cursor = stored.page_of_accounts(connection, filters, query.sort, page)
    return Page(items=[describe(row) for row in rows], next_cursor=next_cursor)


def read_account(connection: Connection, user_id: UUID) -> AccountRead:
    """An account. Raises NotFound."""
    row = stored.administered(connection, user_id)
    if row is None:
        raise NotFound(powers.NO_ACCOUNT)
    return _read(row)


def change_account(
    session: Session, actor: Principal, user_id: UUID, change: AccountChange, if_match: str | None
) -> AccountRead:
    """Change, disable or enable an account; disabling ends its sessions.

    Raises NotFound, InsufficientScope, PreconditionRequired, PreconditionFailed, OwnAccount, WrongState,
    LastAdministrator; InvalidInput where a reason is missing or explains nothing.
    """
    _check_reason(change)
    account = powers.hold_account(session, actor, user_id, "account.changed")
    require_match(if_match, account.version)
    _require_person(account)
    named = change.model_dump(include={"name", "locale"}, exclude_none=True)
    changes = {name: value for name, value in named.items() if getattr(account, name) != value}
    if changes:
        audit.record(session, "account.changed", subject_id=user_id, fields=sorted(changes))
    if change.state == "disabled":
        changes |= _disable(session, actor, account, change.disabled_reason)
    elif change.state == "active" and account.state != "active":
        changes |= _enable(session, account)
    return _read(accounts.change_account(session, user_id, changes) if changes else account)


def _check_reason(change: AccountChange) -> None:
    if (change.state == "disabled") != (change.disabled_reason is not None):
        detail = "Belongs to the state `disabled`, which is never without one."
        raise InvalidInput(errors=[{"pointer": "#/disabled_reason", "code": "value_error", "detail": detail}])


def _require_person(account: User) -> None:
    if account.state == "deleted":
        raise WrongState("The account is deleted: nothing of it can be changed.")


def _disable(session: Session, actor: Principal, account: User, reason: str | None) -> dict[str, Any]:
    if account.id == actor.user_id:
        raise OwnAccount
    if account.state not in ("active", "disabled"):
        raise WrongState("Only an active account can be disabled; an invitation is revoked instead.")
    if account.state == "disabled" and account.disabled_reason == reason:
        return {}
    _keep_an_administrator(session, account)
    ended = accounts.revoke_sessions(session, "account_disabled", user_id=account.id)
    audit.record(session, _DISABLED, subject_id=account.id, reason=reason, sessions=len(ended))
    return {"state": "disabled", "disabled_reason": reason}


def _enable(session: Session, account: User) -> dict[str, Any]:
    if account.state not in ("disabled", "deleting"):
        raise WrongState("Only its own person can accept the invitation, which makes the account active.")
    if account.state == "deleting":
        if account.erase_at is None:
            raise WrongState("The erasure of this account has begun: there is no way back.")
        one_time_tokens.void(session, account.id, "undo_deletion")
    audit.record(session, _ENABLED, subject_id=account.id, before=account.state)
    return {"state": "active", "disabled_reason": None, "erase_at": None}


def _keep_an_administrator(session: Session, account: User) -> None:
    if account.state == "active" and ADMINISTRATOR in account.roles:
        accounts.keep_an_administrator(session, account.id)


def set_roles(
    session: Session, actor: Principal, user_id: UUID, names: list[str], if_match: str | None
) -> AccountRead:
    """Give an account these roles and no others.

    Raises NotFound, PreconditionFailed, UnknownRole, WrongState, LastAdministrator; InsufficientScope where
    the account, or one of the roles, may do more than the actor.
    """
    action = "account.roles_changed"
    account = powers.hold_account(session, actor, user_id, action)
    match_if_given(if_match, account.version)
    _require_person(account)
    powers.keep_roles(session, actor, names, action, subject_id=user_id)
    old, new = sorted(account.roles), sorted(set(names))
    if old == new:
        return _read(account)
    if ADMINISTRATOR not in new:
        _keep_an_administrator(session, account)
    audit.record(session, action, subject_id=user_id, old=old, new=new)
    return _read(accounts.change_account(session, user_id, {"roles": new}))


def sign_out(session: Session, actor: Principal, user_id: UUID) -> None:
    """End all sessions of an account. Raises NotFound, InsufficientScope."""
    powers.hold_account(session, actor, user_id, "session.revoked")
    _end_sessions(session, user_id, "signed_out_by_administrator")


def _end_sessions(session: Session, user_id: UUID, reason: str) -> None:
    ended = accounts.revoke_sessions(session, reason, user_id=user_id)
    audit.record(
        session, "session.revoked", subject_id=user_id, reason=reason, scope="all", number=len(ended)
    )


def require_new_password(session: Session, actor: Principal, user_id: UUID) -> None:
    """End all sessions of an account, which signs in again only with a new password, by a mailed link.

    Raises NotFound, InsufficientScope, WrongState.
    """
    action = "account.password_reset_required"
    account = powers.hold_account(session, actor, user_id, action)
    if account.state != "active":
        raise WrongState("Only an active account can set a new password.")
    accounts.change_account(session, user_id, {"password_reset_required": True})
    # Whoever asked for another address may be whom the new password is to keep out.
    one_time_tokens.void(session, user_id, "change_email")
    audit.record(session, action, subject_id=user_id)
    _end_sessions(session, user_id, "password_reset_required")
    enqueue(session, "auth", "send_password_reset", {"user_id": str(user_id)})


def _read(account: User | AnyRow | None) -> AccountRead:
    if account is None:
        raise NotFound(powers.NO_ACCOUNT)
    set_etag(account.version)
    return describe(account)


def describe(account: User | AnyRow) -> AccountRead:
    """An account, as administrators see it."""
    return AccountRead(
        id=account.id,
        email=account.email,
        email_verified=account.email_verified_at is not None,
        name=account.name,
        locale=account.locale,
        roles=account.roles,
        state=account.state,
        disabled_reason=account.disabled_reason,
        password_reset_required=account.password_reset_required,
        erase_at=account.erase_at,
        created_at=account.created_at,
        updated_at=account.updated_at,
    )
