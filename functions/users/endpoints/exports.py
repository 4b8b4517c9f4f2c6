from typing import Annotated

from fastapi import Query
from fastapi.responses import RedirectResponse

from common.access import LiveUser, RecentUser
from common.database import Db, answer_in_transaction
from common.errors import TooManyRequests, problems
from common.idempotency import Idempotent
from common.one_time_tokens import InvalidLink
from common.rate_limits import check_limits, limited
from common.routing import Router
from functions.users import exports, limits
from functions.users.schemas.exports import ExportRead

router = Router(prefix="/v1/users", tags=["users"])

DownloadToken = Annotated[
    str,
    Query(max_length=128, description="The token of the mailed link.", examples=["V1StGXR8Z5jdHi6BmyTq0wXc"]),
]


@router.post(
    "/me/export",
    status_code=202,
    operation_id="export_me",
    summary="Export what is stored about you",
    dependencies=[Idempotent],
    responses=problems(TooManyRequests),
)
async def export_me(user: RecentUser) -> ExportRead:
    """Have everything that is stored about you collected into an archive; a mail brings the link to it.

    While one is being made, you get that one.
    """
    await check_limits((limits.EXPORT, str(user.user_id)))

    def work(session: Db) -> ExportRead:
        return exports.start(session, user)

    return await answer_in_transaction(work)


@router.get(
    "/me/export",
    operation_id="read_export",
    summary="See how your export is doing",
    responses=problems(exports.NoExport),
)
async def read_export(user: LiveUser) -> ExportRead:
    """Your latest export, with a link to its archive when that is ready and your sign-in is a recent one."""
    return await exports.latest(user)


@router.get(
    "/exports/download",
    status_code=303,
    response_class=RedirectResponse,
    operation_id="download_export",
    summary="Download an export",
    dependencies=[limited(limits.DOWNLOAD, overall=limits.DOWNLOAD_EVERYBODY)],
    responses=problems(InvalidLink),
)
async def download_export(token: DownloadToken) -> RedirectResponse:
    """Lead from the mailed link to the archive in the bucket. The link works until the archive expires."""
    return RedirectResponse(await exports.download(token), 303, {"Cache-Control": "no-store"})
