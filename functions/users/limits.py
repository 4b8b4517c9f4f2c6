"""The limits of `users`: what strangers may do, and what is costly."""

from typing import Final

from common.rate_limits import Limit

EVERYBODY: Final = Limit("users-everybody", quota=6000, seconds=60, shards=8)
LINK: Final = Limit("users-link", quota=60, seconds=3600)
EXPORT: Final = Limit("export", quota=5, seconds=86_400)
