"""Uploads that go straight to the bucket: begun here, sent by presigned requests, completed here."""

import asyncio
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from common import audit
from common.access import Principal
from common.database import AnyRow, answer_in_transaction, in_reading, in_transaction
from common.errors import InvalidInput, Unavailable
from common.ids import new_id
from common.settings import get_settings
from functions.files import kinds, removal, storage
from functions.files.problems import (
    NotInParts,
    NoUpload,
    QuotaExceeded,
    TooManyUploads,
)
from functions.files.repository import contents, files, objects, usage
from functions.files.repository import uploads as stored
from functions.files.representation import file_read
from functions.files.schemas.uploads import (
    ArrivedPart,
    BucketRequest,
    PartRequest,
    PartRequests,
    UploadRead,
    UploadStart,
    WantedPart,
)
from functions.files.storage import BucketFailed, Part, PresignedRequest

MOST_OPEN: Final = 100
SINGLE_BYTES: Final = 64 * 1024**2
"""Beyond this an upload is in parts."""

_MEBIBYTE: Final = 1024**2
_SMALLEST_PART: Final = 8 * _MEBIBYTE
# What is announced and never completed is looked for this long after its time is over: a completion may be
# under way at that moment.
_SLACK: Final = timedelta(hours=1)
_TRICKLE: Final = timedelta(days=1)
_FROM_BUCKET: Final = "The bucket does not answer: try again shortly."


def bucket_down() -> Unavailable:
    """What a client is told where the bucket fails."""
    return Unavailable(_FROM_BUCKET, retry_after=5)


def part_size_of(size: int) -> int:
    """How large the parts are: whole mebibytes, 8 of them or as many as keep within S3's number of parts."""
    return max(_SMALLEST_PART, math.ceil(size / storage.MOST_PARTS / _MEBIBYTE) * _MEBIBYTE)


async def start(user: Principal, wanted: UploadStart) -> UploadRead:
    """Begin an upload, or give the file at once where its owner has the same bytes already.

    Raises InvalidInput, TypeMismatch, QuotaExceeded, TooManyUploads, Unavailable.
    """
    in_parts = wanted.size > SINGLE_BYTES if wanted.in_parts is None else wanted.in_parts
    _check(wanted, in_parts=in_parts)
    upload_id = new_id()
    key = f"files/{upload_id}/upload"
    digest = bytes.fromhex(wanted.sha256) if wanted.sha256 else None
    request = None
    if digest is not None and not in_parts:
        request = await in_bucket(partial(storage.presign_put, key, wanted.size, digest))
    values = {
        "id": upload_id,
        "owner_id": user.user_id,
        "kind": "parts" if in_parts else "single",
        "size": wanted.size,
        "sha256": digest,
        "media_type": wanted.media_type,
        "part_size": part_size_of(wanted.size) if in_parts else None,
        "object_key": key,
        "attributes": wanted.model_dump(include={"name", "description", "tags", "custom"}),
    }

    def work(session: Session) -> UploadRead:
        same = contents.hold_equal(session, user.user_id, digest) if digest and not in_parts else None
        if same is not None:
            kinds.compare(same.media_type, wanted.media_type)
            return _known(session, values, same)
        return _read(open_upload(session, values), request=request)

    return await answer_in_transaction(work)


def _known(session: Session, values: dict[str, Any], content: AnyRow) -> UploadRead:
    """The upload of bytes that their owner has already: a new file has them too, and nothing is sent."""
    file_id = add_file(session, values["owner_id"], content, values["attributes"])
    done = values | {"state": "done", "file_id": file_id}
    row = stored.add(session, done, timedelta(hours=get_settings().upload_hours))
    return _read(row, file=files.read(session, values["owner_id"], file_id))


def add_file(session: Session, owner_id: UUID, content: AnyRow, attributes: dict[str, Any]) -> UUID:
    """A new file that consists of a content; its id."""
    repeated = {"content_id": content.id, "media_type": content.media_type, "size": content.size}
    file_id = files.add(session, {"id": new_id(), "owner_id": owner_id} | attributes | repeated)
    audit.record(session, "file.uploaded", subject_id=owner_id, file_id=str(file_id))
    return file_id


def _check(wanted: UploadStart, *, in_parts: bool) -> None:
    if not in_parts and wanted.size > SINGLE_BYTES:
        raise unacceptable("in_parts", "must be left out, or true, for more than 64 MiB")
    if not in_parts and wanted.sha256 is None:
        raise unacceptable("sha256", "is needed unless the upload is in parts")


def unacceptable(member: str, detail: str) -> InvalidInput:
    """How a member of the body is refused by a rule that no schema tells."""
    told = {"pointer": f"#/{member}", "code": "value_error", "detail": detail}
    return InvalidInput(f"`{member}` {detail}.", errors=[told])


def open_upload(session: Session, values: dict[str, Any]) -> AnyRow:
    """Set room aside, put the key on record, and begin. Raises QuotaExceeded, TooManyUploads."""
    owner_id, lifetime = values["owner_id"], timedelta(hours=get_settings().upload_hours)
    if not usage.reserve(session, owner_id, values["size"], get_settings().file_quota_bytes):
        raise QuotaExceeded
    # Counted after the usage is held by this transaction: two at once do not both find the last place.
    if stored.count_open(session, owner_id) >= MOST_OPEN:
        raise TooManyUploads
    # S3 looks at the time when a request begins: one may go on for long.
    end = datetime.now(UTC) + lifetime + timedelta(seconds=storage.LINK_SECONDS) + _TRICKLE
    objects.announce(
        session,
        values["object_key"],
        owner_id,
        given_up_after=lifetime + _SLACK,
        writable_until=None if values["kind"] == "direct" else end,
    )
    return stored.add(session, values, lifetime)


async def read(user: Principal, upload_id: UUID) -> UploadRead:
    """An upload, and what of it arrived. Raises NoUpload, Unavailable."""
    row = await in_reading(lambda connection: stored.read(connection, user.user_id, upload_id))
    if row is None:
        raise NoUpload
    if row.state == "done":
        return await in_reading(lambda connection: _read_done(connection, user.user_id, row))
    arrived: Sequence[Part] = ()
    request = None
    if row.state == "open" and not row.is_over:
        if row.kind == "single":
            request = await in_bucket(partial(storage.presign_put, row.object_key, row.size, row.sha256))
        elif row.bucket_upload_id is not None:
            found = await in_bucket(partial(storage.parts, row.object_key, row.bucket_upload_id))
            arrived = found or ()
    return _read(row, request=request, arrived=arrived)


async def requests_for_parts(user: Principal, upload_id: UUID, wanted: Sequence[WantedPart]) -> PartRequests:
    """Presigned requests for some parts, in any order and as often as is needed.

    Raises NoUpload, NotInParts, InvalidInput, Unavailable.
    """
    row = await in_reading(lambda connection: stored.read(connection, user.user_id, upload_id))
    if row is None or row.state != "open" or row.is_over:
        raise NoUpload
    if row.part_size is None:
        raise NotInParts
    count = part_count(row)
    if any(each.number > count for each in wanted):
        raise unacceptable("parts", f"must name none beyond the {count} of this upload")
    bucket_upload_id = row.bucket_upload_id or await _begin_parts(row)

    def presign() -> list[PartRequest]:
        return [_part_request(row, bucket_upload_id, each) for each in wanted]

    return PartRequests(parts=await in_bucket(presign))


async def _begin_parts(row: AnyRow) -> str:
    begun = await in_bucket(partial(storage.begin_parts, row.object_key))
    valid = await in_transaction(lambda session: stored.note_parts(session, row.id, begun))
    if valid != begun:
        # Another request was faster, or the upload has ended.
        with suppress(Unavailable):
            # What is left of it goes when the upload ends.
            await in_bucket(partial(storage.abort_parts, row.object_key, begun))
    if valid is None:
        raise NoUpload
    return valid


def part_count(row: AnyRow) -> int:
    """Of how many parts an upload in parts consists."""
    return math.ceil(int(row.size) / int(row.part_size))


def part_length(row: AnyRow, number: int) -> int:
    """How many bytes the part with this number has; the first is 1."""
    size, part_size = int(row.size), int(row.part_size)
    return min(part_size, size - (number - 1) * part_size)


def _part_request(row: AnyRow, bucket_upload_id: str, wanted: WantedPart) -> PartRequest:
    size = part_length(row, wanted.number)
    request = storage.presign_part(row.object_key, bucket_upload_id, wanted.number, size, wanted.crc64nvme)
    return PartRequest(number=wanted.number, size=size, request=_request(request))


async def abort(user: Principal, upload_id: UUID) -> None:
    """End an upload and have removed what arrived. Raises NoUpload."""

    def work(session: Session) -> None:
        row = stored.read(session, user.user_id, upload_id)
        if row is None or not removal.end_upload(session, row.id):
            raise NoUpload

    await in_transaction(work)


async def in_bucket[T](call: Callable[[], T]) -> T:
    """What `call` gives, in a thread. Raises Unavailable where the bucket fails."""
    try:
        return await asyncio.to_thread(call)
    except BucketFailed:
        raise bucket_down() from None


def _read_done(connection: Connection, user_id: UUID, row: AnyRow) -> UploadRead:
    return _read(row, file=files.read(connection, user_id, row.file_id))


def _read(
    row: AnyRow,
    *,
    request: PresignedRequest | None = None,
    arrived: Sequence[Part] = (),
    file: AnyRow | None = None,
) -> UploadRead:
    over = getattr(row, "is_over", False) and row.state == "open"
    return UploadRead(
        id=row.id,
        name=row.attributes["name"],
        kind=row.kind,
        state="ended" if over else row.state,
        size=row.size,
        request=_request(request) if request else None,
        part_size=row.part_size,
        part_count=part_count(row) if row.part_size else None,
        parts=[ArrivedPart(number=p.number, size=p.size, crc64nvme=p.crc64nvme) for p in arrived],
        created_at=row.created_at,
        expires_at=row.expires_at,
        file=file_read(file) if file is not None else None,
    )


def _request(request: PresignedRequest) -> BucketRequest:
    return BucketRequest(
        method=request.method, url=request.url, headers=request.headers, expires_at=request.expires_at
    )
