"""What a job does with a picture, a drawing or a document before anybody gets it.

The bytes are decoded in a process of their own (`imaging`). What is kept of the upload has no private
metadata; renditions lie beside it. Everything that is put into the bucket is on record before, and is
referred to, all of it or nothing, in the transaction that ends the job.
"""

import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from common import bucket
from common.database import AnyRow
from common.jobs import JobContext, enqueue
from common.logs import get_logger
from common.settings import get_settings
from functions.files import kinds, removal, scanner, storage
from functions.files.decoding import opened
from functions.files.imaging.outcomes import CODES, Rejected
from functions.files.repository import contents, objects, usage
from functions.files.task_names import PROCESS

if TYPE_CHECKING:
    from functions.files.imaging.outcomes import Processed

log = get_logger(__name__)

MOST_BYTES: Final = 200 * 1024**2
"""Larger pictures are rejected, larger documents have no preview: a Lambda has half a gigabyte of disk."""

_SCAN_AGAIN_SECONDS: Final = 60
_HOLD_SECONDS: Final = 60
_PDF: Final = "application/pdf"
# A document that cannot be looked into is a document still.
_NO_PREVIEW: Final = frozenset({"encrypted_pdf", "too_many_pixels", "too_large", "time", "memory"})
# Far beyond all attempts of the job.
_GIVEN_UP: Final = timedelta(days=2)


def process(job: JobContext) -> None:
    """Look at a content, and make it `ready` or `rejected`."""
    content_id = UUID(job.payload["content_id"])
    content = job.transaction(lambda session: contents.hold(session, content_id))
    if content is None or content.state != "processing":
        job.finish()
        return
    if not _passes_the_scanner(job, content):
        return
    if kinds.is_picture(content.media_type) and not kinds.is_decoded(content.media_type):
        _reject(job, content, "unsupported", CODES["unsupported"])
        return
    if not kinds.is_decoded(content.media_type):
        job.finish_with(lambda session: contents.change(session, content_id, {"state": "ready"}))
        return
    with TemporaryDirectory(prefix="lambkin-content-") as folder:
        try:
            processed = _look(content, Path(folder))
        except Rejected as rejected:
            _reject(job, content, rejected.code, rejected.detail)
            return
        keys, owner_id = _keys(content, processed), content.owner_id
        job.transaction(partial(_announce, content=content, keys=keys))
        for path, key in keys.items():
            with opened(path) as written:
                bucket.put(key, written, _media_type(path, processed))
        job.finish_with(lambda session: _complete(session, content_id, owner_id, processed, keys))


def _passes_the_scanner(job: JobContext, content: AnyRow) -> bool:
    """Whether it goes on; where the scanner is down, the content waits for it, however long."""
    if get_settings().scanner_url is None:
        return True
    try:
        found = scanner.scan(_holding(job, storage.read(content.object_key)))
    except scanner.ScannerDown as error:
        log.warning("scanner_down", error=str(error))
        again = partial(
            enqueue, function="files", task=PROCESS, payload=job.payload, delay_seconds=_SCAN_AGAIN_SECONDS
        )
        job.finish_with(again)
        return False
    if found is not None:
        log.warning("content_infected", content_id=str(content.id), owner_id=str(content.owner_id))
        _reject(job, content, found.code, found.detail)
    return found is None


def _holding(job: JobContext, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces, however long they take: the job stays ours."""
    held = time.monotonic()
    for piece in pieces:
        yield piece
        if time.monotonic() - held > _HOLD_SECONDS:
            job.extend()
            held = time.monotonic()


def _look(content: AnyRow, folder: Path) -> "Processed":
    from functions.files.decoding import decoder
    from functions.files.imaging.limits import Limits

    if content.size > MOST_BYTES:
        raise Rejected("too_large", f"Pictures of more than {MOST_BYTES // 1024**2} MiB are not processed.")
    source, into = folder / "source", folder / "into"
    into.mkdir()
    storage.fetch(content.object_key, source)
    settings = get_settings()
    limits = Limits(pixels=settings.image_max_pixels)
    started, peak_bytes = time.monotonic(), 0
    try:
        processed = decoder().process(source, into, limits, keep_metadata=settings.image_keep_metadata)
        peak_bytes = processed.peak_bytes
    except Rejected as rejected:
        peak_bytes = rejected.peak_bytes
        raise
    finally:
        log.info(
            "content_decoded",
            content_id=str(content.id),
            media_type=content.media_type,
            bytes=content.size,
            peak_bytes=peak_bytes,
            duration_ms=round((time.monotonic() - started) * 1000, 1),
        )
    return processed


def _keys(content: AnyRow, processed: "Processed") -> dict[Path, str]:
    """Where each file goes; an attempt that is repeated writes elsewhere."""
    prefix = f"files/{content.id}/{secrets.token_hex(4)}"
    keys = {each.path: f"{prefix}-{each.name}" for each in processed.renditions}
    if processed.cleaned is not None:
        keys[processed.cleaned] = f"{prefix}-cleaned"
    return keys


def _announce(session: Session, content: AnyRow, keys: Mapping[Path, str]) -> None:
    for key in keys.values():
        objects.announce(session, key, content.owner_id, given_up_after=_GIVEN_UP, content_id=content.id)


def _media_type(path: Path, processed: "Processed") -> str:
    of_renditions = {each.path: each.media_type for each in processed.renditions}
    return str(of_renditions.get(path, processed.media_type))


def _complete(
    session: Session, content_id: UUID, owner_id: UUID, processed: "Processed", keys: Mapping[Path, str]
) -> None:
    content = contents.hold(session, content_id)
    if content is None or content.state != "processing":
        # It was deleted meanwhile, with what was on record of it by then.
        objects.doom(session, list(keys.values()))
        removal.clear_away(session, owner_id)
        return
    values = _described(processed, keys)
    if processed.cleaned is not None:
        size = processed.cleaned.stat().st_size
        values |= {"object_key": keys[processed.cleaned], "size": size}
        usage.change(session, content.owner_id, used=size - content.size)
    objects.keep(session, list(keys.values()), content_id)
    contents.change(session, content_id, values)
    kept = [values.get("object_key", content.object_key), *keys.values()]
    objects.doom_content(session, content_id, but=kept)
    removal.clear_away(session, owner_id)


def _described(processed: "Processed", keys: Mapping[Path, str]) -> dict[str, Any]:
    renditions = [
        {
            "name": each.name,
            "key": keys[each.path],
            "width": each.width,
            "height": each.height,
            "size": each.bytes,
            "media_type": each.media_type,
        }
        for each in processed.renditions
    ]
    return {
        "state": "ready",
        "media_type": processed.media_type,
        "width": processed.width,
        "height": processed.height,
        "frames": processed.frames if processed.animated else None,
        "pages": processed.pages if processed.media_type == _PDF else None,
        "colours": list(processed.colours),
        "thumbhash": processed.thumbhash,
        "camera": processed.camera,
        "taken_at": _zoned(processed.taken_at),
        "removed": list(processed.removed),
        "renditions": renditions,
    }


def _zoned(moment: datetime | None) -> datetime | None:
    # A camera's own clock is better than nothing, and the description says so.
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def _reject(job: JobContext, content: AnyRow, code: str, detail: str) -> None:
    if content.media_type == _PDF and code in _NO_PREVIEW:
        job.finish_with(lambda session: contents.change(session, content.id, {"state": "ready"}))
        return

    def work(session: Session) -> None:
        held = contents.hold(session, content.id)
        if held is None:
            return
        told = {"rejection": code, "rejection_detail": detail[:500]}
        contents.change(session, content.id, told | {"state": "rejected", "object_key": None, "size": 0})
        usage.change(session, held.owner_id, used=-held.size)
        objects.doom_content(session, content.id)
        removal.clear_away(session, content.owner_id)

    job.finish_with(work)
    log.info("content_rejected", content_id=str(content.id), rejection=code)
