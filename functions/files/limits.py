"""The limits of `files`: what is costly to begin."""

from typing import Final

from common.rate_limits import Limit

PUBLIC_IMAGES: Final = Limit("public-images", quota=60_000, seconds=60, shards=8)
PUBLIC_IMAGE: Final = Limit("public-image", quota=3000, seconds=60)
IMAGE: Final = Limit("image", quota=3000, seconds=60)
UPLOAD: Final = Limit("upload", quota=600, seconds=3600)
