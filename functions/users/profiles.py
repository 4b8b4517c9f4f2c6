"""The rules of profiles."""

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from common import accounts, audit
from common.access import InvalidToken, Principal
from common.conditional import require_match, set_etag
from common.database import AnyRow
from common.models import User
from functions.users.repository import accounts as stored
from functions.users.schemas.profiles import UserChange, UserRead


def _read(account: User | AnyRow | None) -> UserRead:
    # A token outlives its account by minutes at most.
    if account is None or account.state != "active":
        raise InvalidToken
    set_etag(account.version)
    return UserRead(
        id=account.id,
        email=account.email,
        email_verified=account.email_verified_at is not None,
        name=account.name,
        locale=account.locale,
        roles=account.roles,
        created_at=account.created_at,
        updated_at=account.updated_at,
    )


def own_profile(connection: Connection, user: Principal) -> UserRead:
    """The caller's account."""
    return _read(stored.profile(connection, user.user_id))


def change_own_profile(
    session: Session, user: Principal, change: UserChange, if_match: str | None
) -> UserRead:
    """Change the caller's account. Raises PreconditionRequired, PreconditionFailed."""
    account = accounts.hold_account(session, user.user_id)
    if account is None or account.state != "active":
        raise InvalidToken
    require_match(if_match, account.version)
    given = change.model_dump(exclude_none=True)
    changes = {name: value for name, value in given.items() if getattr(account, name) != value}
    if not changes:
        return _read(account)
    audit.record(session, "account.changed", subject_id=user.user_id, fields=sorted(changes))
    return _read(accounts.change_account(session, user.user_id, changes))
