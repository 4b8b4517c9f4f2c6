"""How many mails an administrator may cause.

Far more than people need, and far less than a stolen session could send.
"""

from typing import Final
from uuid import UUID

from common.rate_limits import Limit, check_limits

INVITE: Final = Limit("invite", quota=300, seconds=3600)
INVITE_LIST: Final = Limit("invite-list", quota=20, seconds=3600)
# One mailbox, whoever asks.
RESEND: Final = Limit("resend-invitation", quota=5, seconds=3600)


async def check_invite(actor_id: UUID) -> None:
    """Count one invitation by this account. Raises TooManyRequests."""
    await check_limits((INVITE, str(actor_id)))


async def check_invite_list(actor_id: UUID) -> None:
    """Count one list by this account. Raises TooManyRequests."""
    await check_limits((INVITE_LIST, str(actor_id)))


async def check_resend(user_id: UUID) -> None:
    """Count one more mail to this invited account. Raises TooManyRequests."""
    await check_limits((RESEND, str(user_id)))
