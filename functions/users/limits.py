"""The limits of `users`: what strangers may do, and what is costly."""

from typing import Final

from common.rate_limits import Limit

# One for each door: a flood at one shuts no other.
UNDO_EVERYBODY: Final = Limit("undo-deletion-everybody", quota=6000, seconds=60, shards=8)
DOWNLOAD_EVERYBODY: Final = Limit("download-everybody", quota=6000, seconds=60, shards=8)

UNDO: Final = Limit("undo-deletion", quota=60, seconds=3600)
DOWNLOAD: Final = Limit("download", quota=60, seconds=3600)
EXPORT: Final = Limit("export", quota=5, seconds=86_400)
