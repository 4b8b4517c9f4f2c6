"""How an upload becomes a file: what the bucket has is verified, and then exists for its owner at once."""

import asyncio
import base64
import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from common.access import Principal
from common.database import AnyRow, in_reading, in_transaction
from common.errors import AppError, UnsupportedMediaType
from common.jobs import enqueue
from functions.files import crc64, kinds, removal, storage, uploads
from functions.files.problems import ChecksumMismatch, CompletionInFlight, NotArrived, NoUpload
from functions.files.repository import contents, files, objects, usage
from functions.files.repository import uploads as stored
from functions.files.representation import file_read
from functions.files.schemas.files import FileRead
from functions.files.storage import BucketFailed
from functions.files.task_names import PROCESS

# Longer than the bucket takes for the largest; a completion that died is repeated after it.
_LEASE: Final = timedelta(seconds=120)
_NAMED: Final = 20
# The bucket may be away for hours: this takes about sixteen of them.
_PROCESS_ATTEMPTS: Final = 24


@dataclass(frozen=True, slots=True)
class Verified:
    """What is certain of an upload's bytes."""

    media_type: str
    sha256: bytes | None


async def complete(user: Principal, upload_id: UUID, crc64nvme: str | None) -> FileRead:
    """Verify what arrived and make it a file; that file again where it was done before.

    Raises NoUpload, CompletionInFlight, NotArrived, ChecksumMismatch, TypeMismatch, TypeNotAllowed,
    Unavailable.
    """
    row = await in_reading(lambda connection: stored.read(connection, user.user_id, upload_id))
    if row is None or row.state == "ended" or row.is_over:
        raise NoUpload
    if row.state == "done":
        return await _file(user, row.file_id)
    if not await in_transaction(lambda session: stored.claim(session, upload_id, _LEASE)):
        raise CompletionInFlight(retry_after=5)
    try:
        verified = await asyncio.to_thread(_verify, row, crc64nvme)
    except UnsupportedMediaType:
        await in_transaction(lambda session: removal.end_upload(session, upload_id))
        raise
    except AppError:
        await in_transaction(lambda session: stored.release(session, upload_id))
        raise
    except BucketFailed:
        await in_transaction(lambda session: stored.release(session, upload_id))
        raise uploads.bucket_down() from None
    file_id = await in_transaction(lambda session: settle(session, row, verified))
    return await _file(user, file_id)


async def _file(user: Principal, file_id: UUID) -> FileRead:
    found = await in_reading(lambda connection: files.read(connection, user.user_id, file_id))
    if found is None:
        # It was deleted again.
        raise NoUpload
    return file_read(found)


def _verify(row: AnyRow, crc64nvme: str | None) -> Verified:
    compared = row.kind != "parts" or _assemble(row, crc64nvme)
    found = storage.head(row.object_key)
    if found is None:
        raise NotArrived
    if found.encoding not in ("", "identity"):
        # A browser would decode it, and show what nobody has looked at.
        raise ChecksumMismatch("Send the bytes as they are, without a Content-Encoding.")
    if found.size != row.size:
        raise ChecksumMismatch(f"The bucket has {found.size} bytes, and {row.size} were announced.")
    if crc64nvme is not None and not compared and found.crc64nvme != crc64nvme:
        raise ChecksumMismatch
    sha256 = _sha256(row, found) if row.kind != "parts" else None
    ends = storage.ends(row.object_key, row.size, kinds.SNIFFED_BYTES)
    return Verified(kinds.admitted(ends, row.media_type), sha256)


def _assemble(row: AnyRow, crc64nvme: str | None) -> bool:
    """Make one object of the parts; whether the checksum of the whole was compared with theirs."""
    arrived = storage.parts(row.object_key, row.bucket_upload_id) if row.bucket_upload_id else []
    if arrived is None:
        # The bucket made one of them before, for a completion that died then.
        return False
    whole = {part.number for part in arrived if part.size == uploads.part_length(row, part.number)}
    missing = [number for number in range(1, uploads.part_count(row) + 1) if number not in whole]
    if missing:
        named = ", ".join(str(number) for number in missing[:_NAMED])
        raise NotArrived(f"{len(missing)} parts are missing: {named}{' …' if missing[_NAMED:] else ''}.")
    checksums = [(part.crc64nvme, part.size) for part in arrived if part.crc64nvme]
    comparable = crc64nvme is not None and "-" not in crc64nvme and len(checksums) == len(arrived)
    if comparable and crc64.combined(checksums) != crc64nvme:
        # Before they are one object: what was sent wrong can be sent again.
        raise ChecksumMismatch
    storage.complete_parts(row.object_key, row.bucket_upload_id, arrived)
    return comparable


def _sha256(row: AnyRow, found: storage.Head) -> bytes:
    if found.sha256 is not None:
        digest = base64.b64decode(found.sha256)
    else:
        # The bucket keeps no such checksum: what it has is read, 64 MiB at most.
        running = hashlib.sha256()
        for chunk in storage.read(row.object_key):
            running.update(chunk)
        digest = running.digest()
    if digest != row.sha256:
        raise ChecksumMismatch
    return digest


def settle(session: Session, upload: AnyRow, verified: Verified) -> UUID:
    """Make the upload a file, in one transaction; the file's id.

    Raises NoUpload where the upload has ended meanwhile.
    """
    if not stored.finish(session, upload.id):
        raise NoUpload
    content = _content(session, upload, verified)
    usage.change(session, upload.owner_id, reserved=-upload.size)
    file_id = uploads.add_file(session, upload.owner_id, content, upload.attributes)
    stored.note_file(session, upload.id, file_id)
    return file_id


def _content(session: Session, upload: AnyRow, verified: Verified) -> AnyRow:
    """The owner's content with these bytes, or a new one."""
    processing = kinds.is_looked_at(verified.media_type)
    values = {
        "id": upload.id,
        "owner_id": upload.owner_id,
        "state": "processing" if processing else "ready",
        "uploaded_sha256": verified.sha256,
        "size": upload.size,
        "object_key": upload.object_key,
        "media_type": verified.media_type,
    }
    made = None
    equal = None
    while made is None and equal is None:
        # Equal content may be removed between the two statements: then there is room for a new one.
        made = contents.add(session, values)
        if made is None and verified.sha256 is not None:
            equal = contents.hold_equal(session, upload.owner_id, verified.sha256)
    if equal is not None:
        objects.doom(session, [upload.object_key])
        removal.clear_away(session, upload.owner_id)
        return equal
    if not objects.keep(session, [upload.object_key], upload.id):
        raise NoUpload
    usage.change(session, upload.owner_id, used=upload.size)
    if processing:
        enqueue(session, "files", PROCESS, {"content_id": str(upload.id)}, max_attempts=_PROCESS_ATTEMPTS)
    return made  # type: ignore[return-value]  # one of the two is there
