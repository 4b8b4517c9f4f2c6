"""What `files` keeps of a person: exported as a list, and erased with its bytes."""

from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from common.jobs import JobContext
from common.personal_data import ERASING, MOST_RECORDS, Topic, records
from functions.files import removal, storage
from functions.files.repository import files, objects
from functions.files.repository import personal_data as stored
from functions.files.repository import uploads as stored_uploads

_BATCH: Final = 100


def collect(session: Session, user_id: UUID) -> dict[str, Topic]:
    """What `files` knows of a person."""
    return {
        "files": Topic(
            "Your files, and what is known of them. Their content is not in this archive: fetch it with "
            "GET /v1/files/{id}/content.",
            records(stored.files(session, user_id, MOST_RECORDS)),
        ),
        "uploads": Topic("Your uploads.", records(stored.uploads(session, user_id, MOST_RECORDS))),
    }


def erase_in_parts(job: JobContext) -> int:
    """Delete the files of somebody who is being erased, and their bytes, some at a time; how many."""
    user_id, deleted = UUID(job.payload["user_id"]), 0
    if job.transaction(lambda session: stored.state(session, user_id)) != ERASING:
        return 0
    while some := job.transaction(lambda session: _delete_some(session, user_id)):
        deleted += some
        job.extend()
    while keys := job.transaction(lambda session: objects.removable(session, _BATCH, user_id)):
        for key in keys:
            storage.remove(key)
        job.transaction(partial(objects.forget, keys=keys))
        job.extend()
    return deleted


def _delete_some(session: Session, user_id: UUID) -> int:
    for upload_id in stored_uploads.open_of(session, user_id):
        removal.end_upload(session, upload_id)
    some = files.some_of(session, user_id, _BATCH)
    for file_id in some:
        removal.delete_file(session, user_id, file_id)
    return len(some)


def erase(session: Session, user_id: UUID, *, deleted: int) -> dict[str, int]:
    """Delete the rest; how many there were of what, with the files that are `deleted` already."""
    return {
        "files": deleted + _delete_some(session, user_id),
        "uploads": stored.delete_uploads(session, user_id),
        "storage_usage": stored.delete_usage(session, user_id),
    }
