from typing import Annotated
from uuid import UUID

from fastapi import Path, Query

from common.access import Principal, requires
from common.conditional import CONDITIONAL_GET, IfMatch
from common.database import Db, Reading
from common.errors import NotFound, PreconditionFailed, PreconditionRequired, Unavailable, problems
from common.pagination import BrokenCursor, Page, PageQuery
from common.routing import Router
from functions.files import filing
from functions.files.problems import InTrash, NotInTrash
from functions.files.schemas.files import FileChange, FileQuery, FileRead, UsageRead

router = Router(prefix="/v1/files", tags=["files"])

FileId = Annotated[UUID, Path(description="The id of a file.")]
Reader = Annotated[Principal, requires("files:read")]
Writer = Annotated[Principal, requires("files:write")]
LONGEST_WAIT = 20


@router.get("", operation_id="list_files", summary="List your files", responses=problems(BrokenCursor))
def list_files(
    query: Annotated[FileQuery, Query()], user: Reader, page: PageQuery, db: Reading
) -> Page[FileRead]:
    """Your files, or those that every filter fits; the newest first unless `sort` says otherwise."""
    return filing.list_files(db, user, query, page)


@router.get("/usage", operation_id="read_usage", summary="See how much room you have")
def read_usage(user: Reader, db: Reading) -> UsageRead:
    """What your files come to, and your quota."""
    return filing.own_usage(db, user)


@router.get(
    "/{file_id:uuid}",
    operation_id="read_file",
    summary="Read what is known of a file",
    openapi_extra=CONDITIONAL_GET,
    responses=problems(NotFound, Unavailable),
)
async def read_file(
    file_id: FileId,
    user: Reader,
    wait: Annotated[
        float,
        Query(
            ge=0,
            le=LONGEST_WAIT,
            description="Seconds to wait while it is `processing`; on AWS 2.",
            examples=[10],
        ),
    ] = 0,
) -> FileRead:
    """A file, with its ETag."""
    return await filing.read(user, file_id, wait)


@router.patch(
    "/{file_id:uuid}",
    operation_id="change_file",
    summary="Change what describes a file",
    responses=problems(NotFound, InTrash, PreconditionFailed, PreconditionRequired),
)
def change_file(
    file_id: FileId, body: FileChange, user: Writer, db: Db, if_match: IfMatch = None
) -> FileRead:
    """Change what you name in the body. `If-Match` says which version you read."""
    return filing.change(db, user, file_id, body, if_match)


@router.delete(
    "/{file_id:uuid}",
    status_code=204,
    operation_id="discard_file",
    summary="Move a file to the trash, or delete it",
    responses=problems(NotFound, PreconditionFailed),
)
def discard_file(
    file_id: FileId,
    user: Writer,
    db: Db,
    permanently: Annotated[bool, Query(description="Delete it for good, from wherever it is.")] = False,  # noqa: FBT002 - a query parameter
    if_match: IfMatch = None,
) -> None:
    """The trash keeps a file for 30 days unless the installation says otherwise, and counts in the quota."""
    filing.discard(db, user, file_id, if_match, permanently=permanently)


@router.post(
    "/{file_id:uuid}/restore",
    operation_id="restore_file",
    summary="Take a file back from the trash",
    responses=problems(NotFound, NotInTrash),
)
def restore_file(file_id: FileId, user: Writer, db: Db) -> FileRead:
    """Have the file where it was."""
    return filing.restore(db, user, file_id)
