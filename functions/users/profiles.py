"""The rules of profiles."""

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from common import accounts, audit
from common.access import InvalidToken, Principal
from common.conditional import require_match, set_etag
from common.database import AnyRow
from common.errors import PreconditionFailed
from common.models import User
from functions.users.repository import accounts as stored
from functions.users.schemas.profiles import UserChange, UserRead


def _read(account: User | AnyRow) -> UserRead:
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


def _own(connection: Connection, user: Principal) -> AnyRow:
    account = stored.profile(connection, user.user_id)
    # A token outlives its account by minutes at most.
    if account is None or account.state != "active":
        raise InvalidToken
    return account


def own_profile(connection: Connection, user: Principal) -> UserRead:
    """The caller's account."""
    return _read(_own(connection, user))


def change_own_profile(
    session: Session, user: Principal, change: UserChange, if_match: str | None
) -> UserRead:
    """Change the caller's account. Raises PreconditionRequired, PreconditionFailed."""
    account = _own(session.connection(), user)
    require_match(if_match, account.version)
    changes = {
        name: value for name, value in change.model_dump(exclude_unset=True).items() if value is not None
    }
    if not changes:
        return _read(account)
    # `*` means any version, also one that is made at this moment.
    version = None if (if_match or "").strip() == "*" else account.version
    changed = accounts.change_account(session, user.user_id, changes, version=version)
    if changed is None:
        # Another request changed it between the two statements.
        raise PreconditionFailed
    audit.record(session, "account.changed", subject_id=user.user_id, fields=sorted(changes))
    return _read(changed)
