"""Pictures of the size and the format that is asked for: made once, kept in the bucket, then found there.

Who asks first puts the key on record and makes the picture, in whatever process; who asks meanwhile waits
for it, briefly. A key names the content and all that was asked for: it is good while the content is there.
"""

import asyncio
import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from common import bucket
from common.access import Principal
from common.database import AnyRow, in_reading, in_transaction
from common.errors import NotFound, Unavailable
from common.logs import get_logger
from common.rate_limits import Limit, check_limits
from common.settings import get_settings
from functions.files import delivery, limits, removal, storage
from functions.files.dispositions import disposition
from functions.files.problems import NoPicture, TooManyPictures
from functions.files.repository import contents, files, objects
from functions.files.schemas.images import ImageQuery
from functions.files.uploads import bucket_down, in_bucket

if TYPE_CHECKING:
    from functions.files.imaging.outcomes import TransformSpec

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
# Beyond this a picture is made of the largest rendition: somebody waits while it is read and decoded.
_MOST_BYTES: Final = 64 * 1024**2
_VERSION: Final = "1"
_REFUSED: Final = re.compile(r"q=0(\.0{0,3})?")
_TOO_LONG: Final = (
    "Making this picture took too long: try again shortly, or take one of the file's renditions."
)
log = get_logger(__name__)
_ENDINGS: Final = {"webp": "webp", "avif": "avif", "jpeg": "jpg", "png": "png"}
_SEAMLESS: Final = frozenset({"image/png", "image/gif", "image/webp", "image/svg+xml"})

_busy: list[None] = []


type Find = Callable[[Connection], AnyRow | None]
"""Looks for the file that the caller may see."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A picture of a content: what it is of, its key and its format, and whether it is there."""

    content: AnyRow
    key: str
    format: str
    state: str | None


async def own(user: Principal, file_id: UUID, wanted: ImageQuery, accept: str) -> str:
    """A link to a picture of one of the caller's files; raises as `link`, and TooManyRequests."""
    return await link(
        lambda connection: files.read(connection, user.user_id, file_id),
        wanted,
        accept,
        limit=(limits.IMAGE, str(user.user_id)),
    )


async def link(
    find: Find,
    wanted: ImageQuery,
    accept: str,
    *,
    seconds: int = delivery.LINK_SECONDS,
    limit: tuple[Limit, str] | None = None,
) -> str:
    """A link to the picture, made now if it was not, that works for `seconds`.

    `limit` is of what has to be made: a picture that is there costs what any content does. Raises NotFound,
    InTrash, StillProcessing, ContentRejected, NoPicture, TooManyPictures, TooManyRequests, Unavailable.
    """
    picture = await in_reading(partial(_look, find=find, wanted=wanted, accept=accept))
    if picture.state != "kept":
        if limit is not None:
            await check_limits(limit)
        await _have_made(picture.content, picture.key, wanted, picture.format)
    name = f"{Path(picture.content.name).stem}.{_ENDINGS[picture.format]}"
    return await in_bucket(
        partial(
            storage.presign_read,
            picture.key,
            head=False,
            disposition=disposition("inline", name),
            media_type=f"image/{picture.format}",
            seconds=seconds,
        )
    )


def _look(connection: Connection, *, find: Find, wanted: ImageQuery, accept: str) -> _Wanted:
    content = delivery.given_out(find(connection))
    if not content.renditions:
        raise NoPicture
    chosen = _format(wanted, accept, content.media_type)
    key = f"files/{content.content_id}/t-{_digest(wanted, chosen)}.{_ENDINGS[chosen]}"
    return _Wanted(content, key, chosen, objects.state(connection, key))


def _format(wanted: ImageQuery, accept: str, media_type: str) -> str:
    """What `auto` is for this client: AVIF only where it is asked for, as it takes seconds to make."""
    if wanted.format != "auto":
        return wanted.format
    if any(_is_webp(each) for each in accept.lower().split(",")):
        return "webp"
    return "png" if media_type in _SEAMLESS else "jpeg"


def _is_webp(accepted: str) -> bool:
    # RFC 9110, section 12.4.2: of weight 0 is what is not accepted.
    media_type, *parameters = (part.strip() for part in accepted.split(";"))
    return media_type == "image/webp" and not any(_REFUSED.fullmatch(each) for each in parameters)


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


def _source(content: AnyRow, wanted: "TransformSpec") -> tuple[str, "TransformSpec"]:
    """The key of what the picture is made of, and what is made of that.

    It is the smallest rendition that is twice as large, if one is: so much larger that it does not show.
    Somebody waits, and a large original takes seconds to decode.
    """
    sides = {"width": wanted.width, "height": wanted.height}
    given = {side: value * wanted.dpr for side, value in sides.items() if value is not None}
    for rendition in content.renditions:
        if given and all(rendition[side] >= 2 * value for side, value in given.items()):
            return str(rendition["key"]), _in_proportion(content, wanted, given)
    return str(content.object_key if content.size <= _MOST_BYTES else content.renditions[-1]["key"]), wanted


def _in_proportion(content: AnyRow, wanted: "TransformSpec", given: dict[str, float]) -> "TransformSpec":
    """The same with the sides that follow from the original: a rendition's are rounded already."""
    if len(given) == len(("width", "height")) and wanted.fit != "inside":
        return wanted
    original = {"width": content.width, "height": content.height}
    scale = min(value / original[side] for side, value in given.items())
    whole = {side: max(1, round(value * scale)) for side, value in original.items()}
    return replace(wanted, **whole, dpr=1, fit="fill")


def _make(content: AnyRow, key: str, spec: "TransformSpec") -> None:
    """Decode, resize, encode, store. No connection to the database is held meanwhile."""
    from functions.files.decoding import decoder, opened
    from functions.files.imaging.limits import Limits
    from functions.files.imaging.outcomes import DecoderUnavailable, Rejected

    limits = Limits(pixels=get_settings().image_max_pixels, seconds=_PATIENCE_SECONDS)
    source_key, spec = _source(content, spec)
    with TemporaryDirectory(prefix="lambkin-picture-") as folder:
        source, into = Path(folder) / "source", Path(folder) / "into"
        into.mkdir()
        try:
            storage.fetch(source_key, source)
            made = decoder().transform(source, into, spec, limits)
            with opened(made.path) as written:
                bucket.put(key, written, made.media_type)
            log.info("picture_made", content_id=str(content.content_id), bytes=made.bytes)
        except storage.BucketFailed:
            raise bucket_down() from None
        except DecoderUnavailable:
            raise Unavailable("The decoder is starting: try again shortly.", retry_after=2) from None
        except Rejected as rejected:
            if rejected.code == "time":
                # Its renditions were made in a longer time: who asks when less is going on has it.
                raise Unavailable(_TOO_LONG, retry_after=10) from None
            raise NoPicture(rejected.detail) from None
