from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request

from common.access import Access, Principal, requires
from common.database import Reading
from common.errors import InvalidInput, problems
from common.pagination import BrokenCursor, PageQuery
from common.routing import Router
from functions.ai import usage
from functions.ai.schemas.limits import AiUsageRead, Day
from functions.ai.usage import By, Question

router = Router(prefix="/v1/ai/usage", tags=["ai"])

_OTHERS = Access("ai:admin", live=True)
Reader = Annotated[Principal, requires("ai:use")]


async def _question(  # noqa: PLR0913, PLR0917 - a query's parameters, each by its name
    request: Request,
    reader: Reader,
    first: Annotated[Day | None, Query(alias="from", description="The first day, in UTC.")] = None,
    last: Annotated[Day | None, Query(alias="to", description="The last day, in UTC.")] = None,
    by: Annotated[By, Query(description="What it is summed up by.")] = "day",
    user_id: Annotated[UUID | None, Query(description="Of this account; with `ai:admin`.")] = None,
    everybody: Annotated[bool, Query(description="Of all accounts; with `ai:admin`.")] = False,  # noqa: FBT002 - a parameter of the query
) -> Question:
    if everybody or user_id not in (None, reader.user_id):
        # Whoever lost the permission reads no more of others, whatever their token says.
        await _OTHERS(request)
    return Question(None if everybody else user_id or reader.user_id, first, last, by)


@router.get(
    "",
    operation_id="read_ai_usage",
    summary="Read what was used",
    responses=problems(BrokenCursor, InvalidInput),
)
def read_ai_usage(
    question: Annotated[Question, Depends(_question)], reader: Reader, page: PageQuery, db: Reading
) -> AiUsageRead:
    """Requests and tokens by day, model or user, with what is under way and what is left of your quotas.

    Without days it is of this month; days are kept for 400. A day's requests are those that began on it.
    """
    return usage.read_usage(db, reader, question, page)
