"""How content reaches who may have it: by a short-lived link to the bucket, or through here.

What a browser would run, such as a drawing, never comes inline from the bucket, whose answers have no policy:
it passes through here in a sandbox, or is a download.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from common.access import Principal
from common.database import AnyRow, in_reading
from common.errors import NotFound
from common.logs import get_logger
from common.settings import IN_LAMBDA, get_settings
from functions.files import storage
from functions.files.dispositions import disposition, rendition_name
from functions.files.problems import ContentRejected, InTrash, NoRendition, StillProcessing
from functions.files.ranges import Span
from functions.files.repository import files as stored
from functions.files.schemas.files import ContentLink
from functions.files.storage import BucketFailed
from functions.files.uploads import bucket_down, in_bucket

log = get_logger(__name__)

LINK_SECONDS: Final = 300
LAMBDA_BYTES: Final = 4 * 1024**2
"""What one answer of a Lambda has room for, in base64."""

SANDBOXED_BYTES: Final = 4 * 1024**2
"""What a browser would run is a download beyond this."""

_INLINE: Final = ("image/", "audio/", "video/")
_ALSO_INLINE: Final = frozenset({"application/pdf", "text/plain"})
_SVG: Final = "image/svg+xml"


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes in the bucket as they are given out; `version` names exactly these."""

    key: str
    size: int
    media_type: str
    name: str
    version: str

    @property
    def runs(self) -> bool:
        """Whether a browser would run it and we let it, in a sandbox."""
        return self.media_type == _SVG and self.size <= SANDBOXED_BYTES

    @property
    def passes_through(self) -> bool:
        """Whether it comes from here, and not from the bucket."""
        most = get_settings().file_stream_bytes
        return self.runs or self.size <= (min(most, LAMBDA_BYTES) if IN_LAMBDA else most)

    def disposition(self, *, download: bool) -> str:
        """The value of `Content-Disposition`: inline only what does no harm there."""
        harmless = self.media_type.startswith(_INLINE) or self.media_type in _ALSO_INLINE
        inline = (harmless and self.media_type != _SVG) or self.runs
        return disposition("inline" if inline and not download else "attachment", self.name)


async def find(user: Principal, file_id: UUID, rendition: str | None) -> Content:
    """The content of a file, or a rendition of it.

    Raises NotFound, InTrash, StillProcessing, ContentRejected, NoRendition.
    """
    row = given_out(await in_reading(lambda connection: stored.read(connection, user.user_id, file_id)))
    if rendition is None:
        return Content(row.object_key, row.size, row.media_type, row.name, str(row.content_id))
    return _rendition(row, rendition)


def given_out(row: AnyRow | None) -> AnyRow:
    """The file, if its content is given out to whoever may see it.

    Raises NotFound, InTrash, StillProcessing, ContentRejected.
    """
    if row is None:
        raise NotFound
    if row.trashed_at is not None:
        raise InTrash
    if row.state == "processing":
        raise StillProcessing(retry_after=1)
    if row.state == "rejected":
        raise ContentRejected
    return row


def _rendition(row: AnyRow, wanted: str) -> Content:
    for each in row.renditions:
        if each["name"] == wanted:
            name = rendition_name(row.name, wanted, each["media_type"])
            return Content(each["key"], each["size"], each["media_type"], name, f"{row.content_id}-{wanted}")
    raise NoRendition


async def link(content: Content, *, head: bool, download: bool) -> str:
    """An address of the bucket that gives the content, for LINK_SECONDS. Raises Unavailable."""
    presign = partial(
        storage.presign_read,
        content.key,
        head=head,
        disposition=content.disposition(download=download),
        media_type=content.media_type,
        seconds=LINK_SECONDS,
    )
    return await in_bucket(presign)


async def give_link(user: Principal, file_id: UUID, rendition: str | None, *, download: bool) -> ContentLink:
    """The same for a client that wants the address itself; raises as `find`, and Unavailable."""
    content = await find(user, file_id, rendition)
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=LINK_SECONDS)
    # The bucket's answer has no sandbox.
    url = await link(content, head=False, download=download or content.runs)
    return ContentLink(url=url, media_type=content.media_type, size=content.size, expires_at=expires_at)


async def read(content: Content, span: Span | None = None) -> AsyncGenerator[bytes]:
    """The bytes of the content, or a span of them, a piece at a time, each read in a thread.

    Before the first piece raises Unavailable, NotFound; BucketFailed where the bucket fails after it. Whoever
    stops early closes the generator, and the bucket's answer ends.
    """
    ends = (span.first, span.last) if span else (None, None)
    reading = storage.read(content.key, *ends)
    step: asyncio.Future[bytes] | None = None
    begun = False
    try:
        while True:
            step = asyncio.ensure_future(asyncio.to_thread(next, reading, b""))
            # A thread does not end because nobody waits for it any more.
            piece = await asyncio.shield(step)
            if not piece:
                return
            begun = True
            yield piece
    except BucketFailed as error:
        log.warning("content_not_read", error=str(error))
        if begun:
            raise
        # Deleted a moment ago.
        raise (NotFound if error.code == "NoSuchKey" else bucket_down()) from None
    finally:
        if step is not None:
            step.add_done_callback(lambda done: _close(reading, done))


def _close(reading: object, done: asyncio.Future[bytes]) -> None:
    if not done.cancelled():
        # Looked at, so that nobody complains that it was not.
        done.exception()
    reading.close()  # type: ignore[attr-defined]  # a generator
