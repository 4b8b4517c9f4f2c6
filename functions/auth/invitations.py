"""An invitation accepted: the account becomes its person's, with a password that only they know."""

from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from common import accounts, audit, one_time_tokens
from common.context import current_context
from common.database import in_transaction
from common.models.base import now
from common.one_time_tokens import InvalidLink
from functions.auth.passwords import get_passwords
from functions.auth.repository import credentials


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
    if account is None or account.state != "invited":
        raise InvalidLink
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
    audit.record(session, "invitation.accepted", subject_id=account.id)
