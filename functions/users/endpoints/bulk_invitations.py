from typing import Annotated, Final
from uuid import UUID

from fastapi import Path
from fastapi.concurrency import run_in_threadpool

from common.access import Principal, requires
from common.database import Reading, answer_in_transaction
from common.errors import NotFound, TooManyRequests, Unavailable, problems
from common.idempotency import Idempotent
from common.pagination import BrokenCursor, Page, PageQuery
from common.routing import Router
from common.settings import get_settings
from functions.users import bulk_invitations, invitation_limits
from functions.users.endpoints.csv_bodies import CsvBody, csv_body
from functions.users.invitation_lists import InvalidCsv, read_list
from functions.users.schemas.invitations import BulkInvitationLineRead, BulkInvitationRead

router = Router(prefix="/v1/users", tags=["users"])

_READERS = requires("users:read", live=True)
RecentAdministrator = Annotated[Principal, requires("users:write", recent=True)]
ListId = Annotated[UUID, Path(description="The `id` of a list.")]

_CSV: Final = csv_body(
    "CSV as RFC 4180 has it, in UTF-8, with the header `email,name,roles` and at most 1,000 lines. Roles are "
    "separated by `;` or a space; without any, it is `member`.",
    'email,name,roles\r\nada@lambkin.example,"Lovelace, Ada",member\r\n',
    get_settings().max_body_bytes,
)


@router.post(
    "/invitations",
    status_code=202,
    operation_id="invite_users",
    summary="Invite many",
    dependencies=[Idempotent],
    openapi_extra=_CSV,
    responses=problems(InvalidCsv, TooManyRequests, Unavailable),
)
async def invite_users(user: RecentAdministrator, body: CsvBody) -> BulkInvitationRead:
    """Take a list of people; a job invites them, and reports on each line. `Location` is its progress.

    Each is invited as `POST /v1/users` would, with the permissions that you have when it is worked off.
    """
    await invitation_limits.check_invite_list(user.user_id)
    # Up to a tenth of a second of work, for which neither the loop nor a connection should wait.
    lines = await run_in_threadpool(read_list, body)
    return await answer_in_transaction(lambda session: bulk_invitations.take_list(session, user, lines))


@router.get(
    "/invitations",
    operation_id="list_invitations",
    summary="List the lists of invitations",
    dependencies=[_READERS],
    responses=problems(BrokenCursor),
)
def list_invitations(db: Reading, page: PageQuery) -> Page[BulkInvitationRead]:
    """All lists that were sent within the last 90 days, the newest first."""
    return bulk_invitations.lists(db, page)


@router.get(
    "/invitations/{list_id:uuid}",
    operation_id="read_invitations",
    summary="Read the progress of a list of invitations",
    dependencies=[_READERS],
    responses=problems(NotFound),
)
def read_invitations(list_id: ListId, db: Reading) -> BulkInvitationRead:
    """How far a list is, and how many of its lines came to what."""
    return bulk_invitations.one_list(db, list_id)


@router.get(
    "/invitations/{list_id:uuid}/lines",
    operation_id="list_invitation_lines",
    summary="Read the report on a list of invitations",
    dependencies=[_READERS],
    responses=problems(BrokenCursor, NotFound),
)
def list_invitation_lines(list_id: ListId, db: Reading, page: PageQuery) -> Page[BulkInvitationLineRead]:
    """What became of each line, in the order of the file."""
    return bulk_invitations.lines_of(db, list_id, page)
