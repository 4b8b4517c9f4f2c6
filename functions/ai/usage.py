"""Who used how much."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Connection

from common.access import Principal
from common.database import AnyRow
from common.errors import InvalidInput
from common.pagination import PageParameters
from functions.ai.quotas import Standing, Unit, applying
from functions.ai.repository import models, reservations
from functions.ai.repository import usage as stored
from functions.ai.schemas.limits import AiReserved, AiUsageRead, AiUsageSum, QuotaState, Used

type By = Literal["day", "model", "user"]

_MOST_DAYS: Final = 400


@dataclass(frozen=True, slots=True)
class Question:
    """Of whom (null: everybody), from which day to which, summed up by what."""

    owner_id: UUID | None
    first: date | None
    last: date | None
    by: By


def read_usage(
    connection: Connection, reader: Principal, question: Question, page: PageParameters
) -> AiUsageRead:
    """What was used. Without days it is of this month. Raises InvalidInput for more than 400 days."""
    today = datetime.now(UTC).date()
    last = question.last or (max(today, question.first) if question.first else today)
    first = question.first or last.replace(day=1)
    _require_days(first, last)
    span = stored.Span(question.owner_id, first, last)
    rows, next_cursor = stored.page_of_usage(connection, span, question.by, page)
    held = stored.reserved(connection, question.owner_id)
    return AiUsageRead(
        first=first.isoformat(),
        last=last.isoformat(),
        by=question.by,
        items=[_sum(row, question.by) for row in rows],
        next_cursor=next_cursor,
        reserved=AiReserved(requests=held.requests, tokens=int(held.tokens)),
        quotas=_quotas(connection, reader, question.owner_id),
    )


def _require_days(first: date, last: date) -> None:
    days = (last - first).days + 1
    if 1 <= days <= _MOST_DAYS:
        return
    told = "must not be after `to`" if days < 1 else f"must be at most {_MOST_DAYS} days before `to`"
    raise InvalidInput(errors=[{"pointer": "#/query/from", "code": "value_error", "detail": told}])


def _quotas(connection: Connection, reader: Principal, owner_id: UUID | None) -> list[QuotaState]:
    if owner_id is None:
        return []
    key_id = reader.api_key_id if owner_id == reader.user_id else None
    standings = applying(reservations.standing(connection, owner_id, key_id, None))
    # A model that one may not use is not there, in no quota either.
    hidden = models.hidden(connection, owner_id) if owner_id == reader.user_id else frozenset()
    return [_state(standing) for standing in standings if standing.model not in hidden]


def _state(standing: Standing) -> QuotaState:
    used: dict[Unit, Used] = {
        unit: Used(limit=standing.limit(unit), used=standing.used(unit), left=standing.left(unit))
        for unit in ("requests", "tokens")
    }
    told: Any = standing.of
    return QuotaState(
        of=told,
        model=standing.model,
        period=standing.period,
        requests=used["requests"],
        tokens=used["tokens"],
        ends_at=standing.ends_at,
    )


def _sum(row: AnyRow, by: By) -> AiUsageSum:
    prompt, completion = int(row.prompt_tokens), int(row.completion_tokens)
    return AiUsageSum(
        day=row.subject if by == "day" else None,
        model=row.subject if by == "model" else None,
        user_id=UUID(row.subject) if by == "user" else None,
        requests=int(row.requests),
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
    )
