from typing import Annotated
from uuid import UUID

from fastapi import File, Form, Path, UploadFile

from common.access import Principal, requires
from common.errors import ContentTooLarge, InvalidInput, NotFound, TooManyRequests, Unavailable, problems
from common.idempotency import Idempotent
from common.rate_limits import check_limits
from common.routing import Router
from functions.files import completion, direct, limits, uploads
from functions.files.problems import (
    ChecksumMismatch,
    CompletionInFlight,
    NotArrived,
    NotInParts,
    NoUpload,
    QuotaExceeded,
    TooManyUploads,
    TypeMismatch,
    TypeNotAllowed,
)
from functions.files.schemas.files import FileRead, FormName
from functions.files.schemas.uploads import (
    PartRequests,
    UploadCompletion,
    UploadRead,
    UploadStart,
    WantedParts,
)

router = Router(prefix="/v1/files", tags=["files"])

UploadId = Annotated[UUID, Path(description="The id of an upload.")]
Reader = Annotated[Principal, requires("files:read")]
Writer = Annotated[Principal, requires("files:write")]


@router.post(
    "",
    status_code=201,
    operation_id="upload_file",
    summary="Upload a small file",
    dependencies=[Idempotent],
    responses=problems(
        QuotaExceeded,
        ContentTooLarge,
        TypeMismatch,
        TypeNotAllowed,
        TooManyUploads,
        TooManyRequests,
        Unavailable,
    ),
)
async def upload_file(
    user: Writer,
    file: Annotated[
        UploadFile,
        File(
            description="The bytes, 4 MiB at most.",
            examples=["Shall I compare thee"],
            json_schema_extra={"minLength": 1, "maxLength": direct.MOST_BYTES},
        ),
    ],
    name: Annotated[
        FormName | None,
        Form(description="What it is called; unset or empty: as the form says.", examples=["sonnet.txt"]),
    ] = None,
) -> FileRead:
    """Store up to 4 MiB that come in a form (`multipart/form-data`). Larger files: `POST /v1/files/uploads`.

    What it is, is seen by its content; a `Content-Type` of the form's part that says otherwise is refused.
    """
    await check_limits((limits.UPLOAD, str(user.user_id)))
    return await direct.receive(user, file, name)


@router.post(
    "/uploads",
    status_code=201,
    operation_id="start_upload",
    summary="Begin an upload to the bucket",
    dependencies=[Idempotent],
    responses=problems(
        QuotaExceeded, TooManyUploads, TypeMismatch, InvalidInput, TooManyRequests, Unavailable
    ),
)
async def start_upload(body: UploadStart, user: Writer) -> UploadRead:
    """Announce a file, and get the request that brings its bytes into the bucket; then `complete` it.

    Over 64 MiB, or where you ask for it, the file goes in parts: in any order, several at a time, and again
    after an interruption. Where you have the same bytes already, the upload is `done` at once.
    """
    await check_limits((limits.UPLOAD, str(user.user_id)))
    return await uploads.start(user, body)


@router.get(
    "/uploads/{upload_id:uuid}",
    operation_id="read_upload",
    summary="See how an upload is doing",
    responses=problems(NotFound, NoUpload, Unavailable),
)
async def read_upload(upload_id: UploadId, user: Reader) -> UploadRead:
    """An upload with the parts that arrived, and a fresh request where it is a single one: to resume it."""
    return await uploads.read(user, upload_id)


@router.post(
    "/uploads/{upload_id:uuid}/parts",
    operation_id="request_parts",
    summary="Get the requests for some parts",
    responses=problems(NotFound, NoUpload, NotInParts, InvalidInput, Unavailable),
)
async def request_parts(upload_id: UploadId, body: WantedParts, user: Writer) -> PartRequests:
    """Requests that bring up to 100 parts into the bucket, for an hour. Ask again as often as you like."""
    return await uploads.requests_for_parts(user, upload_id, body.parts)


@router.post(
    "/uploads/{upload_id:uuid}/complete",
    operation_id="complete_upload",
    summary="Make an upload a file",
    responses=problems(
        NotFound,
        NoUpload,
        CompletionInFlight,
        NotArrived,
        ChecksumMismatch,
        TypeMismatch,
        TypeNotAllowed,
        Unavailable,
    ),
)
async def complete_upload(
    upload_id: UploadId, user: Writer, body: UploadCompletion | None = None
) -> FileRead:
    """Have what arrived verified; from then on the file exists. A repetition gives the same file."""
    return await completion.complete(user, upload_id, body.crc64nvme if body else None)


@router.delete(
    "/uploads/{upload_id:uuid}",
    status_code=204,
    operation_id="abort_upload",
    summary="Abort an upload",
    responses=problems(NotFound, NoUpload),
)
async def abort_upload(upload_id: UploadId, user: Writer) -> None:
    """Give an open upload up; what arrived is removed, and its room is free again."""
    await uploads.abort(user, upload_id)
