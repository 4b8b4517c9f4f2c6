from typing import Annotated
from uuid import UUID

from fastapi import Header, Path, Query
from fastapi.responses import RedirectResponse

from common.access import Principal, requires
from common.database import Db
from common.errors import NotFound, TooManyRequests, Unavailable, problems
from common.rate_limits import limited
from common.routing import Router
from functions.files import delivery, limits, public_images, transforms
from functions.files.problems import (
    ContentRejected,
    InTrash,
    InvalidSignature,
    NoPicture,
    StillProcessing,
    TooManyPictures,
)
from functions.files.schemas.images import ImageLink, ImageLinkWanted, ImageQuery, SignedImageQuery

router = Router(prefix="/v1/files", tags=["files"])

FileId = Annotated[UUID, Path(description="The id of a file.")]
Reader = Annotated[Principal, requires("files:read")]
Writer = Annotated[Principal, requires("files:write")]
Accept = Annotated[
    str,
    Header(
        alias="Accept", max_length=1024, description="Which formats you show.", examples=["image/webp,*/*"]
    ),
]
_PROBLEMS = problems(
    NotFound,
    InTrash,
    StillProcessing,
    ContentRejected,
    NoPicture,
    TooManyPictures,
    TooManyRequests,
    Unavailable,
)


@router.get(
    "/{file_id:uuid}/image",
    status_code=302,
    response_class=RedirectResponse,
    operation_id="read_image",
    summary="Get a picture of a file in the size that you need",
    responses=_PROBLEMS,
)
async def read_image(
    file_id: FileId, query: Annotated[ImageQuery, Query()], user: Reader, accept: Accept = "*/*"
) -> RedirectResponse:
    """Lead to the picture in the bucket, which is made when it is asked for first."""
    url = await transforms.own(user, file_id, query, accept)
    return _redirect(url, "private", delivery.LINK_SECONDS // 5)


@router.post(
    "/{file_id:uuid}/image-links",
    operation_id="sign_image_link",
    summary="Get a link to a picture for a public page",
    responses=problems(NotFound),
)
def sign_image_link(file_id: FileId, body: ImageLinkWanted, user: Writer, db: Db) -> ImageLink:
    """A link that shows this picture, and no other size of it, to whoever has it, for as long as you say.

    It cannot be taken back before it expires but by moving the file to the trash, which caches notice within
    minutes.
    """
    return public_images.sign(db, user, file_id, body)


@router.get(
    "/{file_id:uuid}/public-image",
    status_code=302,
    response_class=RedirectResponse,
    operation_id="read_public_image",
    summary="Follow a signed link to a picture",
    dependencies=[limited(limits.PUBLIC_IMAGE, overall=limits.PUBLIC_IMAGES)],
    responses=_PROBLEMS | problems(InvalidSignature),
)
async def read_public_image(
    file_id: FileId, query: Annotated[SignedImageQuery, Query()], accept: Accept = "*/*"
) -> RedirectResponse:
    """Lead to the picture that the link was signed for."""
    url, seconds = await public_images.follow(file_id, query, accept)
    return _redirect(url, "public", seconds)


def _redirect(url: str, who: str, seconds: int) -> RedirectResponse:
    return RedirectResponse(
        url, 302, {"Cache-Control": f"{who}, max-age={seconds}", "Vary": "Accept, Authorization"}
    )
