from typing import Annotated, Any, Final, Literal

from fastapi import Query, Request
from fastapi.responses import RedirectResponse, Response

from common.context import current_context
from common.errors import NotFound, PreconditionFailed, Unavailable, problems
from common.routing import Router
from functions.files import delivery, ranges
from functions.files.endpoints.files import FileId, Reader
from functions.files.endpoints.streaming import pass_through
from functions.files.problems import (
    ContentRejected,
    InTrash,
    NoRendition,
    RangeNotSatisfiable,
    StillProcessing,
)
from functions.files.schemas.files import ContentLink

router = Router(prefix="/v1/files", tags=["files"])

RenditionName = Annotated[
    Literal["256", "512", "1024", "2048"] | None,
    Query(description="The picture in that size instead, where the file has it.", examples=["512"]),
]
Download = Annotated[bool, Query(description="To be saved, and not shown.")]

_BYTES: Final = {"schema": {"type": "string", "format": "binary"}, "example": "…"}
_ETAG: Final = {"description": "Of exactly these bytes.", "schema": {"type": "string"}}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The content, where it passes through here.",
        "headers": {"ETag": _ETAG},
        "content": {"*/*": _BYTES},
    },
    206: {
        "description": "The ranges that `Range` asks for: one, or several as `multipart/byteranges`.",
        "headers": {"ETag": _ETAG},
        "content": {"*/*": _BYTES},
    },
    302: {
        "description": "The content is in the bucket, behind the link in `Location`.",
        "headers": {
            "Location": {
                "description": "Works for 5 minutes.",
                "schema": {"type": "string", "format": "uri"},
            }
        },
    },
    304: {"description": "Not Modified"},
}
_HEADERS: Final = {
    "Range": "Up to 16 ranges of bytes (RFC 9110, section 14). The bucket takes one.",
    "If-Range": "The ETag of which the range is wanted: of other bytes the answer is the whole.",
    "If-None-Match": "An ETag: where the client has that already, the answer is 304.",
}


@router.get(
    "/{file_id:uuid}/content",
    response_class=Response,
    operation_id="read_content",
    summary="Get the content of a file",
    openapi_extra={
        "parameters": [
            {
                "name": name,
                "in": "header",
                "description": said,
                "schema": {"type": "string", "maxLength": ranges.MOST_CHARACTERS},
            }
            for name, said in _HEADERS.items()
        ]
    },
    responses=_ANSWERS
    | problems(
        NotFound,
        NoRendition,
        InTrash,
        StillProcessing,
        ContentRejected,
        PreconditionFailed,
        RangeNotSatisfiable,
        Unavailable,
    ),
)
async def read_content(
    request: Request,
    file_id: FileId,
    user: Reader,
    rendition: RenditionName = None,
    download: Download = False,  # noqa: FBT002 - a query parameter
) -> Response:
    """Lead to the bytes in the bucket, by a link that works for 5 minutes, or have them from here.

    From here come small files where FILE_STREAM_BYTES says so, and drawings (SVG) in a sandbox: with an ETag,
    ranges, and conditions. `HEAD` answers the same without the bytes; its link is for a HEAD request.
    """
    content = await delivery.find(user, file_id, rendition)
    if content.passes_through:
        return await pass_through(request, content, download=download)
    head = current_context().method == "HEAD"
    url = await delivery.link(content, head=head, download=download)
    return RedirectResponse(url, 302, {"Cache-Control": "private, no-store"})


@router.get(
    "/{file_id:uuid}/content-link",
    operation_id="read_content_link",
    summary="Get an address of the content",
    responses=problems(NotFound, NoRendition, InTrash, StillProcessing, ContentRejected, Unavailable),
)
async def read_content_link(
    file_id: FileId,
    user: Reader,
    rendition: RenditionName = None,
    download: Download = False,  # noqa: FBT002 - a query parameter
) -> ContentLink:
    """Where `…/content` leads to, for what sends no `Authorization`: an `<img>`, a player, a page's fetch.

    It works for 5 minutes, ranges included. Drawings (SVG) come as a download from there.
    """
    return await delivery.give_link(user, file_id, rendition, download=download)
