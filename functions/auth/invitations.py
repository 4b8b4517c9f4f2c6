"""An invitation accepted: the account becomes its person's, with a password that only they know."""

from collections.abc import Sequence
from functools import partial
from math import inf
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from common import accounts, audit, one_time_tokens
from common.context import current_context
from common.database import in_transaction
from common.live_sessions import still_permitted
from common.models.base import now
from common.one_time_tokens import InvalidLink
from common.permissions import MEMBER, PERMISSIONS
from common.principals import Principal
from common.roles import granted
from functions.auth.passwords import get_passwords
from functions.auth.repository import credentials

_ACCEPTED: Final = "invitation.accepted"


async def accept(token: str, password: str, name: str | None) -> None:
    """Activate the link's account with this password; `name` replaces the one of the invitation.

    A password is hashed only for a link that is live, as a hash is costly. Of those who present one link at
    the same moment, one gets the account. Raises InvalidLink.
    """
    if await in_transaction(partial(one_time_tokens.peek, token=token, purpose="invitation")) is None:
        raise InvalidLink
    password_hash = await get_passwords().hash(password)
    await in_transaction(lambda session: _activate(session, token, password_hash, name))


def _activate(session: Session, token: str, password_hash: str, name: str | None) -> None:
    # The account before its links, as whoever revokes or resends has it.
    link = one_time_tokens.peek(session, token, "invitation")
    account = accounts.hold_account(session, link.user_id) if link else None
    if link is None or account is None or account.state != "invited":
        raise InvalidLink
    if not _may_still_invite(session, link.issued_by, account.roles):
        audit.record(session, _ACCEPTED, "refused", subject_id=account.id, reason="inviter_lacks_permission")
        refusal = InvalidLink()
        refusal.keep = True
        raise refusal
    one_time_tokens.spend(session, token, "invitation")
    one_time_tokens.void(session, account.id)
    credentials.set_password(session, account.id, password_hash)
    changes: dict[str, Any] = {
        "state": "active",
        "email_verified_at": now(),
        "password_reset_required": False,
    }
    if name is not None:
        changes["name"] = name
    accounts.change_account(session, account.id, changes)
    current_context().user_id = account.id
    audit.record(session, _ACCEPTED, subject_id=account.id)


def _may_still_invite(session: Session, inviter_id: UUID | None, roles: Sequence[str]) -> bool:
    """Whether whoever sent the link could still give these roles.

    To be a member anybody could register; more than that ends with the powers of who gave it.
    """
    given = granted(session.connection(), roles) - MEMBER
    if inviter_id is None or not given:
        return True
    inviter = Principal(inviter_id, None, PERMISSIONS, inf)
    return still_permitted(session, inviter) >= given | {"users:write"}
