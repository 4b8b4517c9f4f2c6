"""The rule against escalation: nobody acts on more permissions than they have.

Who changes, signs out or disables an account, gives or takes a role, or makes one, must hold every permission
that the account or the role has; an API key holds no more than its scopes. What the actor holds is looked up
once more when the account or the role is held: by who was waited for they may have been demoted themselves.
"""

from collections.abc import Collection
from typing import Final, Never
from uuid import UUID

from sqlalchemy.orm import Session

from common import accounts, audit
from common.access import InsufficientScope, Principal
from common.errors import AppError, InvalidInput, NotFound
from common.live_sessions import still_permitted
from common.models import User
from common.permissions import BUILT_IN, permissions_of
from common.roles import granted
from functions.users.repository import roles as stored

NO_ACCOUNT: Final = "There is no such account."
_TOO_POWERFUL: Final = "This needs every permission that the account or the role has; you lack some of them."
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}


class UnknownRole(InvalidInput):
    """A role that there is not, or not any more."""

    code = "unknown_role"
    detail = "There is no such role: see GET /v1/users/roles for those that there are."


def hold_account(session: Session, actor: Principal, user_id: UUID, action: str) -> User:
    """The account, which nobody changes until the transaction ends, for the audited `action`.

    Raises NotFound; InsufficientScope where it may do more than the actor.
    """
    account = accounts.hold_account(session, user_id)
    if account is None:
        raise NotFound(NO_ACCOUNT)
    if not granted(session.connection(), account.roles) <= still_permitted(session, actor):
        refuse(session, InsufficientScope(_TOO_POWERFUL, headers=_CHALLENGE), action, subject_id=user_id)
    return account


def keep_roles(
    session: Session, actor: Principal, names: Collection[str], action: str, *, subject_id: UUID | None
) -> None:
    """Call before a role is given: these stay as they are, and are there, until the transaction ends.

    Raises UnknownRole; InsufficientScope where one permits more than the actor may do.
    """
    own_made = stored.keep_roles(session, [name for name in names if name not in BUILT_IN])
    unknown = [name for name in names if name not in BUILT_IN and name not in own_made]
    if unknown:
        raise UnknownRole(
            errors=[_unknown(index, name) for index, name in enumerate(names) if name in unknown]
        )
    permitted = permissions_of(names, [each for permissions in own_made.values() for each in permissions])
    require_powers(session, actor, permitted, action, subject_id=subject_id)


def _unknown(index: int, name: str) -> dict[str, str]:
    return {"pointer": f"#/roles/{index}", "code": "unknown_role", "detail": f"There is no role {name}."}


def require_powers(
    session: Session,
    actor: Principal,
    permissions: Collection[str],
    action: str,
    *,
    subject_id: UUID | None = None,
) -> None:
    """Raises InsufficientScope where the actor lacks one of these permissions; the attempt is recorded."""
    if not still_permitted(session, actor).issuperset(permissions):
        refuse(session, InsufficientScope(_TOO_POWERFUL, headers=_CHALLENGE), action, subject_id=subject_id)


def refuse(session: Session, refusal: AppError, action: str, *, subject_id: UUID | None) -> Never:
    """Raise `refusal`, and keep in the audit log that it was tried. Nothing else may be written by then."""
    audit.record(session, action, "refused", subject_id=subject_id, reason=refusal.code)
    refusal.keep = True
    raise refusal
