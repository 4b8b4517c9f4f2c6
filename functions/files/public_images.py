"""Links to pictures for public pages: whoever has one sees that picture, in that size, until it expires.

The signature is an HMAC under SERVER_SECRET of the file and of all that is asked for, so that nobody can ask
for another size with it.
"""

import base64
import hmac
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy.orm import Session

from common import audit
from common.access import Principal
from common.encryption import keyed_digest
from common.errors import NotFound
from common.settings import get_settings
from functions.files import delivery, transforms
from functions.files.problems import InvalidSignature
from functions.files.repository import files as stored
from functions.files.schemas.images import ImageLink, ImageLinkWanted, ImageQuery, SignedImageQuery

_CONTEXT: Final = "public-image"
_BYTES: Final = 24


def sign(session: Session, user: Principal, file_id: UUID, wanted: ImageLinkWanted) -> ImageLink:
    """A link to a picture of one of the caller's files. Raises NotFound."""
    if stored.read(session, user.user_id, file_id) is None:
        raise NotFound
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=wanted.seconds)
    # Whoever has the link sees the picture: it is to be known who made that so.
    until = expires_at.isoformat()
    audit.record(session, "file.link_signed", subject_id=user.user_id, file_id=str(file_id), expires_at=until)
    query = ImageQuery(**wanted.model_dump(exclude={"seconds"}))
    expires = int(expires_at.timestamp())
    given = query.model_dump(exclude_defaults=True) | {"expires": expires}
    named = urlencode(given | {"signature": _signature(file_id, query, expires)})
    return ImageLink(
        url=f"{get_settings().public_url}/v1/files/{file_id}/public-image?{named}", expires_at=expires_at
    )


def _signature(file_id: UUID, query: ImageQuery, expires: int) -> str:
    asked = (query.w, query.h, query.fit, query.gravity, query.format, query.q, float(query.dpr), expires)
    digest = keyed_digest(_CONTEXT, str(file_id), *(str(part) for part in asked))
    return base64.urlsafe_b64encode(digest[:_BYTES]).decode()


async def follow(file_id: UUID, query: SignedImageQuery, accept: str) -> tuple[str, int]:
    """Where the picture of a link is, and for how many seconds that may be remembered.

    Raises InvalidSignature unless this is a link that we gave out and that works still, and as `transforms`.
    """
    expected = _signature(file_id, query, query.expires)
    left = query.expires - int(datetime.now(UTC).timestamp())
    if not hmac.compare_digest(expected.encode(), query.signature.encode()) or left <= 0:
        raise InvalidSignature
    seconds = min(delivery.LINK_SECONDS, left)
    url = await transforms.link(
        lambda connection: stored.read_public(connection, file_id), query, accept, seconds=seconds
    )
    return url, seconds // 2
