"""The limits of `auth`: what strangers may do, and how often.

Each guards one operation, by the client's address, by account and for everybody together. None of them
guards a session that is open, and recovery has its own: a lock on sign-in shuts nobody out of either.
"""

import hashlib
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from common.client_address import address_block
from common.context import current_context
from common.rate_limits import GrowingDelay, Limit, by_address, check_limits, forgive, is_over

# What everybody together may do in a minute: far above what one installation sees, and far below what
# would fill its tables or its mail server's queue. One for each door: a flood at one shuts no other.
SIGN_IN_EVERYBODY: Final = Limit("sign-in-everybody", quota=6000, seconds=60, shards=8)
REAUTHENTICATE_EVERYBODY: Final = Limit("reauthenticate-everybody", quota=6000, seconds=60, shards=8)
LINKS_EVERYBODY: Final = Limit("links-everybody", quota=6000, seconds=60, shards=8)
OAUTH_EVERYBODY: Final = Limit("oauth-everybody", quota=60_000, seconds=60, shards=64)
REGISTER_EVERYBODY: Final = Limit("register-everybody", quota=600, seconds=60, shards=2)
RECOVER_EVERYBODY: Final = Limit("recover-everybody", quota=600, seconds=60, shards=2)

REGISTER: Final = Limit("register", quota=20, seconds=3600)
VERIFY: Final = Limit("verify-email", quota=60, seconds=3600)
RECOVER: Final = Limit("recover", quota=20, seconds=3600)
LINK: Final = Limit("link", quota=60, seconds=3600)
MAILBOX: Final = Limit("mailbox", quota=5, seconds=3600)
# Of its own, so that nobody who fills a mailbox with other mails keeps its owner from recovery.
MAILBOX_RECOVERY: Final = Limit("mailbox-recovery", quota=10, seconds=3600)
SIGN_IN_ADDRESS: Final = Limit("sign-in-address", quota=60, seconds=600)
# Guesses at one account: ever slower from one place, and bounded from all places together. A stranger who
# guesses from one place does not shut out its owner, who is at another.
SIGN_IN_DELAY: Final = GrowingDelay("sign-in-delay")
SIGN_IN_ACCOUNT: Final = Limit("sign-in-account", quota=100, seconds=600)
# Whoever knows the password could otherwise fill the owner's mailbox with notices of ever new devices.
NEW_DEVICES: Final = Limit("new-devices", quota=5, seconds=86_400)
# A session that somebody else holds must not serve to guess the password either.
REAUTHENTICATE: Final = GrowingDelay("reauthenticate")
# Generous, as many people may share an address and every tab refreshes; it only bounds a flood.
REFRESH: Final = Limit("refresh", quota=1200, seconds=60)
REFRESH_EVERYBODY: Final = Limit("refresh-everybody", quota=60_000, seconds=60, shards=64)
OAUTH: Final = Limit("oauth", quota=600, seconds=60)


def _block() -> str:
    return address_block(current_context().client_address)


def _account(email: str) -> str:
    return hashlib.sha256(email.encode("utf-8", "surrogatepass")).hexdigest()


async def check_refresh() -> None:
    """Count one refresh for the client's address."""
    await check_limits(*by_address(REFRESH), overall=REFRESH_EVERYBODY)


async def check_sign_in(email: str) -> None:
    """Count one attempt for the client's address and for the account, whether or not it exists."""
    account = _account(email)
    await check_limits(
        (SIGN_IN_ACCOUNT, account),
        *by_address(SIGN_IN_ADDRESS),
        overall=SIGN_IN_EVERYBODY,
        delay=(SIGN_IN_DELAY, f"{account} {_block()}"),
    )


def forgive_sign_in(session: Session, email: str) -> None:
    """Forget the failed attempts at this account from the client's address."""
    forgive(session, SIGN_IN_DELAY, f"{_account(email)} {_block()}")


def forgive_account(session: Session, email: str) -> None:
    """Forget all failed attempts: its owner has a new password, and is to get in with it."""
    forgive_sign_in(session, email)
    forgive(session, SIGN_IN_ACCOUNT, _account(email))


async def check_reauthentication(session_id: UUID | None) -> None:
    """Count one attempt at the password of an account that is signed in, by its session."""
    await check_limits(overall=REAUTHENTICATE_EVERYBODY, delay=(REAUTHENTICATE, str(session_id)))


def forgive_reauthentication(session: Session, session_id: UUID | None) -> None:
    """Forget the failed attempts of a session."""
    forgive(session, REAUTHENTICATE, str(session_id))


async def may_mail(email: str) -> bool:
    """Count one mail to this address; False where it has had enough of them, which the client is not told."""
    return not await is_over(MAILBOX, email)


async def may_mail_recovery(email: str) -> bool:
    """The same for links that set a new password."""
    return not await is_over(MAILBOX_RECOVERY, email)
