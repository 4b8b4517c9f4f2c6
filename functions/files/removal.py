"""What leaves: files for good, the contents that nothing needs, and their objects in the bucket.

The rows go first, with their objects marked as doomed in the same transaction; the objects go after it, and
leave the record when they are surely gone. Whatever dies on the way, a sweep ends it.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from common.database import AnyRow, Database
from common.jobs import JobContext, enqueue
from common.logs import get_logger
from common.settings import get_settings
from functions.files import storage
from functions.files.repository import contents, files, objects, uploads, usage
from functions.files.storage import BucketFailed
from functions.files.task_names import REMOVE

log = get_logger(__name__)

_BATCH: Final = 100
_LATER: Final = timedelta(hours=1)
# So long an upload that has ended can be asked about.
_TOLD: Final = timedelta(days=7)


def delete_file(session: Session, owner_id: UUID, file_id: UUID) -> bool:
    """Delete a file, and what it consists of unless another one does too; False where there is none."""
    held = files.hold(session, owner_id, file_id)
    if held is None:
        return False
    # Held first: who uploads the same bytes at this moment waits, and then finds them or makes them anew.
    content = contents.hold(session, held.content_id)
    files.remove(session, file_id)
    if content is not None and not contents.is_needed(session, content.id):
        objects.doom_content(session, content.id)
        contents.remove(session, content.id)
        usage.change(session, owner_id, used=-content.size)
        clear_away(session, owner_id)
    return True


def end_upload(session: Session, upload_id: UUID) -> bool:
    """End an open upload without a file and give its room back; False where it was not open."""
    row = uploads.end(session, upload_id)
    if row is None:
        return False
    usage.change(session, row.owner_id, reserved=-row.size)
    objects.doom(session, [row.object_key])
    clear_away(session, row.owner_id)
    return True


def clear_away(session: Session, owner_id: UUID) -> None:
    """Have the doomed objects of an owner removed soon."""
    enqueue(session, "files", REMOVE, {"owner_id": str(owner_id)})


def remove_objects(job: JobContext) -> None:
    """Remove the doomed objects of an owner. Raises BucketFailed where the bucket refuses."""
    owner_id = UUID(job.payload["owner_id"])
    while keys := job.transaction(partial(objects.removable, limit=_BATCH, owner_id=owner_id)):
        gone, failure = _remove(keys)
        job.transaction(partial(objects.forget, keys=gone))
        if failure is not None:
            raise failure
        job.extend()
    job.finish()


def _remove(keys: Sequence[str]) -> tuple[list[str], BucketFailed | None]:
    """Remove what can be: the keys that are gone, and why another is not."""
    gone: list[str] = []
    failure: BucketFailed | None = None
    for key in keys:
        try:
            storage.remove(key)
        except BucketFailed as error:
            failure = error
            if not error.code:
                # Nobody answers: asking for the next one takes as long again.
                break
        else:
            gone.append(key)
    return gone, failure


def sweep_objects(database: Database) -> None:
    """Remove what is doomed, and what was announced and never came to be needed."""
    while database.transaction(partial(objects.doom_abandoned, limit=_BATCH)):
        pass
    while keys := database.transaction(partial(objects.removable, limit=_BATCH)):
        gone, failure = _remove(keys)
        database.transaction(partial(objects.forget, keys=gone))
        if failure is not None:
            # Those that cannot be removed do not always come first: the next sweep goes on with others.
            stuck = [key for key in keys if key not in gone]
            database.transaction(partial(objects.postpone, keys=stuck, by=_LATER))
            log.warning("objects_not_removed", error=str(failure), number=len(stuck))
        if not gone:
            return


def sweep_uploads(database: Database) -> None:
    """End the uploads whose time is over, and forget those that ended long ago."""
    while ids := database.transaction(partial(uploads.expired, limit=_BATCH)):
        for upload_id in ids:
            database.transaction(partial(end_upload, upload_id=upload_id))
    database.transaction(partial(uploads.forget_old, kept=_TOLD))


def sweep_trash(database: Database) -> None:
    """Delete what has been in the trash for FILE_TRASH_DAYS."""
    kept = timedelta(days=get_settings().file_trash_days)
    while rows := database.transaction(partial(files.long_in_trash, kept=kept, limit=_BATCH)):
        for row in rows:
            database.transaction(partial(_delete_from_trash, row=row, kept=kept))


def _delete_from_trash(session: Session, row: AnyRow, kept: timedelta) -> None:
    # Looked at again while it is held: its owner may have taken it back a moment ago.
    held = files.hold(session, row.owner_id, row.id)
    if held is not None and files.is_long_in_trash(session, row.id, kept):
        delete_file(session, row.owner_id, row.id)
