from typing import Annotated, Literal

from fastapi import Depends, Query

from common.access import Principal, requires
from common.database import Db, Reading
from common.errors import problems
from common.ndjson import MAX_LINES, NdjsonResponse, described
from common.pagination import BrokenCursor, Page, PageParameters, PageQuery
from common.routing import Router
from functions.users import audit
from functions.users.schemas.audit import AuditEntryRead, AuditFilters

router = Router(prefix="/v1/users", tags=["users"])

_LINE = (
    '{"id":"01890a5d-ac96-774b-bcce-b302099a8057","created_at":"2026-11-22T08:15:30Z","action":"session.opened",'
    '"outcome":"success","actor_id":"01890a5d-ac96-774b-bcce-b302099a8058",'
    '"subject_id":"01890a5d-ac96-774b-bcce-b302099a8058","session_id":"01890a5d-ac96-774b-bcce-b302099a8059",'
    '"api_key_id":null,"client_address":"203.0.113.7","user_agent":"curl/8.14.1",'
    '"request_id":"01890a5d-ac96-774b-bcce-b302099a8060","details":{}}\n'
)


async def _filters(given: Annotated[AuditFilters, Query()]) -> AuditFilters:
    return given


async def _lines(
    limit: Annotated[int, Query(ge=1, le=MAX_LINES, description="How many lines at most.")] = MAX_LINES,
    cursor: Annotated[
        str | None, Query(max_length=2048, description="`Next-Cursor` of the answer before.")
    ] = None,
) -> PageParameters:
    return PageParameters(limit, cursor)


Auditor = Annotated[Principal, requires("audit:read", live=True)]
Filters = Annotated[AuditFilters, Depends(_filters)]
Sort = Annotated[
    Literal["created_at", "-created_at"], Query(description="`-created_at`: the newest come first.")
]


@router.get(
    "/audit",
    operation_id="list_audit",
    summary="Read the audit log",
    responses=problems(BrokenCursor),
)
def list_audit(
    user: Auditor, db: Reading, filters: Filters, page: PageQuery, sort: Sort = "-created_at"
) -> Page[AuditEntryRead]:
    """Who did what to whom, from where, when and with what result; `docs/audit.md` lists the actions."""
    return audit.list_entries(db, user, filters, sort, page)


@router.get(
    "/audit/export",
    operation_id="export_audit",
    summary="Export the audit log",
    response_class=NdjsonResponse,
    responses=problems(BrokenCursor) | {200: described(_LINE)},
)
def export_audit(
    user: Auditor, db: Db, filters: Filters, page: Annotated[PageParameters, Depends(_lines)]
) -> NdjsonResponse:
    """The same entries as NDJSON, newest first, each line as an item of the list.

    An answer ends after `limit` lines or about 5 MB; `Link` and `Next-Cursor` tell how to go on, and are
    absent at the end. Each answer is itself an entry, `audit.exported`.
    """
    return NdjsonResponse(audit.export_entries(db, user, filters, page).text)
