"""The limits of `auth`: what strangers may do, and how often."""

import hashlib

from common.client_address import address_block
from common.context import current_context
from common.rate_limits import Limit, check_limits, is_over

REGISTER = Limit("register", quota=20, seconds=3600)
REGISTER_MAILBOX = Limit("register-mailbox", quota=5, seconds=3600)
VERIFY = Limit("verify-email", quota=60, seconds=3600)
SIGN_IN_ADDRESS = Limit("sign-in-address", quota=60, seconds=600)
# Guesses at one account: few from one place, more from all places together. A stranger who guesses from one
# place does not shut out its owner, who is at another.
SIGN_IN_ACCOUNT_ADDRESS = Limit("sign-in-account-address", quota=10, seconds=600)
SIGN_IN_ACCOUNT = Limit("sign-in-account", quota=100, seconds=600)
# Generous, as many people may share an address and every tab refreshes; it only bounds a flood.
REFRESH = Limit("refresh", quota=1200, seconds=60)


async def check_refresh() -> None:
    """Count one refresh for the client's address."""
    await check_limits((REFRESH, address_block(current_context().client_address)))


async def check_sign_in(email: str) -> None:
    """Count one attempt for the client's address and for the account, whether or not it exists."""
    account = hashlib.sha256(email.encode("utf-8", "surrogatepass")).hexdigest()
    block = address_block(current_context().client_address)
    await check_limits(
        (SIGN_IN_ACCOUNT_ADDRESS, f"{account} {block}"), (SIGN_IN_ACCOUNT, account), (SIGN_IN_ADDRESS, block)
    )


async def may_mail(email: str) -> bool:
    """Count one mail to this address; False where it has had enough of them, which the client is not told."""
    return not await is_over(REGISTER_MAILBOX, email)
