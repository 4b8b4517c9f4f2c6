from typing import Annotated
from uuid import UUID

from fastapi import Path, Query

from common.access import requires
from common.conditional import CONDITIONAL_GET, IfMatch
from common.database import Db, Reading
from common.errors import NotFound, PreconditionFailed, PreconditionRequired, problems
from common.idempotency import Idempotent
from common.pagination import BrokenCursor, Page, PageQuery
from common.routing import Router
from functions.ai import quota_rules
from functions.ai.quota_rules import QuotaExists, UnknownSubject
from functions.ai.schemas.limits import QuotaChange, QuotaCreate, QuotaQuery, QuotaRead

router = Router(prefix="/v1/ai/quotas", tags=["ai"])

_ADMINISTRATORS = requires("ai:admin", live=True)
QuotaId = Annotated[UUID, Path(description="The id of a quota.")]


@router.get(
    "",
    operation_id="list_quotas",
    summary="List quotas",
    dependencies=[_ADMINISTRATORS],
    responses=problems(BrokenCursor),
)
def list_quotas(query: Annotated[QuotaQuery, Query()], page: PageQuery, db: Reading) -> Page[QuotaRead]:
    """All quotas, or those that every filter fits; the newest first."""
    return quota_rules.list_quotas(db, query, page)


@router.post(
    "",
    status_code=201,
    operation_id="create_quota",
    summary="Make a quota",
    dependencies=[_ADMINISTRATORS, Idempotent],
    responses=problems(QuotaExists, UnknownSubject),
)
def create_quota(body: QuotaCreate, db: Db) -> QuotaRead:
    """Limit requests and tokens by calendar day or month in UTC: of an account, a role, a key, or everybody.

    For a period, and a model or all of them, an account's own quota applies, or else the most generous of its
    roles', or else everybody's. An API key's applies besides. Without any quota there is no limit.
    """
    return quota_rules.create_quota(db, body)


@router.get(
    "/{quota_id}",
    operation_id="read_quota",
    summary="Read a quota",
    dependencies=[_ADMINISTRATORS],
    openapi_extra=CONDITIONAL_GET,
    responses=problems(NotFound),
)
def read_quota(quota_id: QuotaId, db: Reading) -> QuotaRead:
    """A quota, with its ETag."""
    return quota_rules.read_quota(db, quota_id)


@router.patch(
    "/{quota_id}",
    operation_id="change_quota",
    summary="Change a quota",
    dependencies=[_ADMINISTRATORS],
    responses=problems(NotFound, PreconditionFailed, PreconditionRequired),
)
def change_quota(quota_id: QuotaId, body: QuotaChange, db: Db, if_match: IfMatch = None) -> QuotaRead:
    """Change how much it is, from the next request on; what was used by then counts."""
    return quota_rules.change_quota(db, quota_id, body, if_match)


@router.delete(
    "/{quota_id}",
    status_code=204,
    operation_id="delete_quota",
    summary="Delete a quota",
    dependencies=[_ADMINISTRATORS],
    responses=problems(NotFound),
)
def delete_quota(quota_id: QuotaId, db: Db) -> None:
    """Delete a quota."""
    quota_rules.delete_quota(db, quota_id)
