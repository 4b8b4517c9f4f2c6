"""The simple upload: the bytes in the request itself."""

import asyncio
import hashlib
import re
from typing import Final

from fastapi import UploadFile
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.orm import Session

from common import bucket
from common.access import Principal
from common.database import AnyRow, answer_in_transaction, in_transaction
from common.errors import ContentTooLarge
from common.ids import new_id
from functions.files import completion, kinds, removal, uploads
from functions.files.completion import Verified
from functions.files.repository import files
from functions.files.representation import file_read
from functions.files.schemas.files import FileName, FileRead
from functions.files.storage import BucketFailed

MOST_BYTES: Final = 4 * 1024**2
"""What passes through a Lambda, base64 and form included."""

_NAME: Final = TypeAdapter[str](FileName)


async def upload(
    user: Principal, content: bytes, said: str | None, attributes: dict[str, object]
) -> FileRead:
    """Store the bytes and give the file. Raises TypeMismatch, TypeNotAllowed, QuotaExceeded, Unavailable."""
    media_type = kinds.admitted(content, said)
    digest = await asyncio.to_thread(lambda: hashlib.sha256(content).digest())
    upload_id = new_id()
    key = f"files/{upload_id}/upload"
    values = {
        "id": upload_id,
        "owner_id": user.user_id,
        "kind": "direct",
        "size": len(content),
        "sha256": digest,
        "media_type": media_type,
        "object_key": key,
        "attributes": attributes,
    }
    row: AnyRow | None = None
    done = False

    async def store() -> None:
        nonlocal row
        row = await in_transaction(lambda session: uploads.open_upload(session, values))
        await asyncio.to_thread(bucket.put, key, content, media_type)

    def work(session: Session) -> FileRead:
        file_id = completion.settle(session, row, Verified(media_type, digest))  # type: ignore[arg-type]  # it is there
        found = files.read(session, user.user_id, file_id)
        return file_read(found)  # type: ignore[arg-type]  # it was made a line ago

    try:
        answer = await answer_in_transaction(work, before=store)
        done = True
    except BucketFailed:
        raise uploads.bucket_down() from None
    else:
        return answer
    finally:
        if row is not None and not done:
            await in_transaction(lambda session: removal.end_upload(session, upload_id))


async def receive(user: Principal, file: UploadFile, name: str | None) -> FileRead:
    """Store what came in a form. Raises ContentTooLarge, InvalidInput, and what `upload` does."""
    content = await file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ContentTooLarge("Larger files than 4 MiB go to the bucket: POST /v1/files/uploads.")
    if not content:
        raise uploads.unacceptable("file", "must not be empty")
    return await upload(user, content, _said(file), {"name": _name(name, file)})


def _said(file: UploadFile) -> str | None:
    said = (file.content_type or "").partition(";")[0].strip().lower()
    return said or None


def _name(given: str | None, file: UploadFile) -> str:
    """What it is called: as given, or as the form says, without the folders that some clients send."""
    if given is not None:
        return given
    last = re.split(r"[/\\]", file.filename or "")[-1]
    try:
        return _NAME.validate_python("".join(c for c in last if c.isprintable())[:255] or "file")
    except ValidationError:
        return "file"
