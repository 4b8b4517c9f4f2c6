"""Pictures of the size and the format that is asked for: made once, kept in the bucket, then found there.

Who asks first puts the key on record and makes the picture, in whatever process; who asks meanwhile waits
for it, briefly. A key names the content and all that was asked for: it is good while the content is there.
"""

import asyncio
import hashlib
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy.orm import Session

from common import bucket
from common.access import Principal
from common.database import AnyRow, in_reading, in_transaction
from common.errors import NotFound, Unavailable
from common.logs import get_logger
from common.rate_limits import check_limits
from common.settings import get_settings
from functions.files import limits, removal, storage
from functions.files.dispositions import disposition
from functions.files.problems import ContentRejected, InTrash, NoPicture, StillProcessing, TooManyPictures
from functions.files.repository import contents, files, objects
from functions.files.schemas.images import ImageQuery
from functions.files.uploads import bucket_down, in_bucket

if TYPE_CHECKING:
    from functions.files.imaging.outcomes import TransformSpec

LINK_SECONDS: Final = 300
MOST_OF_A_FILE: Final = 100
"""So many different pictures are kept of one content."""

_AT_A_TIME: Final = 2
_PATIENCE_SECONDS: Final = 8.0
_LOOK_EVERY_SECONDS: Final = 0.2
# Of whoever makes it; much shorter than the record keeps the key.
_LEASE: Final = timedelta(seconds=60)
_GIVEN_UP: Final = timedelta(days=2)
# What could not be made is not tried again for so long.
_REMEMBERED: Final = timedelta(minutes=10)
_MOST_BYTES: Final = 64 * 1024**2
_VERSION: Final = "1"
log = get_logger(__name__)
_ENDINGS: Final = {"webp": "webp", "avif": "avif", "jpeg": "jpg", "png": "png"}
_SEAMLESS: Final = frozenset({"image/png", "image/gif", "image/webp", "image/svg+xml"})

_busy: list[None] = []


async def own(user: Principal, file_id: UUID, wanted: ImageQuery, accept: str) -> str:
    """A link to a picture of one of the caller's files; raises as `link`, and TooManyRequests."""
    await check_limits((limits.IMAGE, str(user.user_id)))
    row = await in_reading(lambda connection: files.read(connection, user.user_id, file_id))
    return await link(row, wanted, accept)


async def link(row: AnyRow | None, wanted: ImageQuery, accept: str, seconds: int = LINK_SECONDS) -> str:
    """A link to the picture, made now if it was not, that works for `seconds`.

    `row` is the file that the caller may see, if there is one. Raises NotFound, InTrash, StillProcessing,
    ContentRejected, NoPicture, TooManyPictures, Unavailable.
    """
    content = _usable(row)
    chosen = _format(wanted, accept, content.media_type)
    key = f"files/{content.content_id}/t-{_digest(wanted, chosen)}.{_ENDINGS[chosen]}"
    if await in_reading(partial(objects.state, key=key)) != "kept":
        await _have_made(content, key, wanted, chosen)
    media_type = f"image/{chosen}"
    name = f"{Path(content.name).stem}.{_ENDINGS[chosen]}"
    return await in_bucket(
        partial(
            storage.presign_read,
            key,
            head=False,
            disposition=disposition("inline", name),
            media_type=media_type,
            seconds=seconds,
        )
    )


def _usable(row: AnyRow | None) -> AnyRow:
    if row is None:
        raise NotFound
    if row.trashed_at is not None:
        raise InTrash
    if row.state == "processing":
        raise StillProcessing(retry_after=1)
    if row.state == "rejected":
        raise ContentRejected
    if not row.renditions or row.size > _MOST_BYTES:
        raise NoPicture
    return row


def _format(wanted: ImageQuery, accept: str, media_type: str) -> str:
    """What `auto` is for this client: AVIF only where it is asked for, as it takes seconds to make."""
    if wanted.format != "auto":
        return wanted.format
    accepted = {each.partition(";")[0].strip().lower() for each in accept.split(",")}
    if "image/webp" in accepted:
        return "webp"
    return "png" if media_type in _SEAMLESS else "jpeg"


def _digest(wanted: ImageQuery, chosen: str) -> str:
    # What makes no difference to the picture makes none to its key.
    width, height = (side and round(side * wanted.dpr) for side in (wanted.w, wanted.h))
    gravity = wanted.gravity if wanted.fit in ("cover", "contain") else ""
    quality = "" if chosen == "png" else wanted.q
    parts = (_VERSION, width, height, wanted.fit, gravity, chosen, quality)
    return hashlib.sha256("|".join(str(part) for part in parts).encode()).hexdigest()[:32]


async def _have_made(content: AnyRow, key: str, wanted: ImageQuery, chosen: str) -> None:
    """Make the picture, or wait until whoever makes it has."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        state = await in_reading(partial(objects.state, key=key))
        if state == "kept":
            return
        if state == "doomed":
            raise NoPicture
        if state is None and await in_transaction(lambda session: _claim(session, content, key)):
            break
        await _wait(end)
    try:
        while len(_busy) >= _AT_A_TIME:
            await _wait(end)
        _busy.append(None)
        try:
            await asyncio.to_thread(_make, content, key, _spec(wanted, chosen))
        finally:
            _busy.pop()
        kept = await in_transaction(lambda session: _refer(session, content, key))
    except NoPicture:
        await in_transaction(lambda session: objects.give_up(session, key, _REMEMBERED))
        raise
    except BaseException:
        await in_transaction(lambda session: objects.release(session, key))
        raise
    if not kept:
        raise NotFound


def _refer(session: Session, content: AnyRow, key: str) -> bool:
    """Have the content refer to its picture; False where it was deleted while that was made."""
    if contents.hold(session, content.content_id) is None:
        objects.doom(session, [key])
        removal.clear_away(session, content.owner_id)
        return False
    return objects.keep(session, [key], content.content_id)


async def _wait(end: float) -> None:
    if time.monotonic() >= end:
        raise Unavailable("Pictures are being made as fast as they can: try again shortly.", retry_after=2)
    await asyncio.sleep(_LOOK_EVERY_SECONDS)


def _claim(session: Session, content: AnyRow, key: str) -> bool:
    # Held, so that it is there for as long as its picture is, and the count is right.
    if contents.hold(session, content.content_id) is None:
        raise NotFound
    if objects.count_pictures(session, content.content_id) >= MOST_OF_A_FILE:
        raise TooManyPictures
    return objects.claim(
        session, key, content.owner_id, content.content_id, lease=_LEASE, given_up_after=_GIVEN_UP
    )


def _spec(wanted: ImageQuery, chosen: str) -> "TransformSpec":
    from functions.files.imaging.outcomes import TransformSpec

    return TransformSpec(
        width=wanted.w,
        height=wanted.h,
        fit=wanted.fit,
        gravity=wanted.gravity,
        format=chosen,  # type: ignore[arg-type]  # `auto` is none of them any more
        quality=wanted.q,
        dpr=wanted.dpr,
    )


def _make(content: AnyRow, key: str, spec: "TransformSpec") -> None:
    """Decode, resize, encode, store. No connection to the database is held meanwhile."""
    from functions.files.decoding import decoder, opened
    from functions.files.imaging.limits import Limits
    from functions.files.imaging.outcomes import DecoderUnavailable, Rejected

    limits = Limits(pixels=get_settings().image_max_pixels, seconds=_PATIENCE_SECONDS)
    with TemporaryDirectory(prefix="lambkin-picture-") as folder:
        source, into = Path(folder) / "source", Path(folder) / "into"
        into.mkdir()
        try:
            storage.fetch(content.object_key, source)
            made = decoder().transform(source, into, spec, limits)
            with opened(made.path) as written:
                bucket.put(key, written, made.media_type)
            log.info("picture_made", content_id=str(content.content_id), bytes=made.bytes)
        except storage.BucketFailed:
            raise bucket_down() from None
        except DecoderUnavailable:
            raise Unavailable("The decoder is starting: try again shortly.", retry_after=2) from None
        except Rejected as rejected:
            raise NoPicture(rejected.detail) from None
