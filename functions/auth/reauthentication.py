"""The password of somebody who is signed in: given again, or changed."""

from typing import Final

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from common import accounts, audit, one_time_tokens
from common.access import InvalidToken, Principal
from common.database import AnyRow, in_reading, in_transaction
from common.errors import TooManyRequests, Unavailable
from functions.auth import limits
from functions.auth.notices import tell_of_new_password
from functions.auth.passwords import get_passwords
from functions.auth.repository import credentials
from functions.auth.sign_in import InvalidCredentials

LIMITED: Final = (TooManyRequests, Unavailable)


async def reauthenticate(user: Principal, password: str) -> None:
    """Count the caller's session as signed in just now. Raises InvalidCredentials, TooManyRequests."""
    verified = await _verify(user, password, "session.confirmed")

    def confirm(session: Session) -> None:
        _hold(session, user, verified)
        if user.session_id is None or not accounts.authenticate_again(session, user.session_id):
            raise InvalidToken
        limits.forgive_reauthentication(session, user.session_id)
        audit.record(session, "session.confirmed", subject_id=user.user_id)

    await in_transaction(confirm)


async def change_password(user: Principal, current: str, new: str) -> None:
    """Give the caller another password, end their other sessions, and tell them by mail.

    Raises InvalidCredentials, TooManyRequests.
    """
    verified = await _verify(user, current, "password.changed")
    password_hash = await get_passwords().hash(new)

    def change(session: Session) -> None:
        account = _hold(session, user, verified)
        credentials.set_password(session, user.user_id, password_hash)
        accounts.revoke_sessions(session, "password_changed", user_id=user.user_id, but=user.session_id)
        # Whoever asked for another address may be whom the new password is to keep out.
        one_time_tokens.void(session, user.user_id, "change_email", "reset_password")
        limits.forgive_reauthentication(session, user.session_id)
        audit.record(session, "password.changed", subject_id=user.user_id)
        tell_of_new_password(session, account.email, account.name)

    await in_transaction(change)


async def _verify(user: Principal, password: str, action: str) -> str:
    """The hash that the password was verified against."""
    await limits.check_reauthentication(user.session_id)
    stored = await in_reading(lambda connection: _stored(connection, user))
    right = await get_passwords().verify(stored, password)
    if not right or stored is None:
        await in_transaction(lambda session: _refuse(session, user, action))
    return str(stored)


def _stored(connection: Connection, user: Principal) -> str | None:
    return credentials.password_hash(connection, user.user_id)


def _refuse(session: Session, user: Principal, action: str) -> None:
    audit.record(session, action, "refused", subject_id=user.user_id, reason="invalid_credentials")
    raise InvalidCredentials("The password is wrong.")


def _hold(session: Session, user: Principal, verified: str) -> AnyRow:
    # While the password was hashed, it may have been changed, or the account disabled.
    row = credentials.held_credentials(session, user.user_id)
    if row is None or row.hash != verified or row.state != "active":
        raise InvalidCredentials("The password is wrong.")
    return row
