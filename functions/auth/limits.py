"""The limits of `auth`: what strangers may do, and how often."""

import hashlib

from common.client_address import address_block
from common.context import current_context
from common.rate_limits import Limit, check_limits

REGISTER = Limit("register", quota=20, seconds=3600)
VERIFY = Limit("verify-email", quota=60, seconds=3600)
SIGN_IN_ADDRESS = Limit("sign-in-address", quota=60, seconds=600)
SIGN_IN_ACCOUNT = Limit("sign-in-account", quota=20, seconds=600)
# Generous, as many people may share an address and every tab refreshes; it only bounds a flood.
REFRESH = Limit("refresh", quota=1200, seconds=60)


async def check_refresh() -> None:
    """Count one refresh for the client's address."""
    await check_limits((REFRESH, address_block(current_context().client_address)))


async def check_sign_in(email: str) -> None:
    """Count one attempt for the client's address and one for the account, whether or not it exists."""
    account = hashlib.sha256(email.encode("utf-8", "surrogatepass")).hexdigest()
    block = address_block(current_context().client_address)
    await check_limits((SIGN_IN_ACCOUNT, account), (SIGN_IN_ADDRESS, block))
