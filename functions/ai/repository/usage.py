"""Who used how much: what `GET /v1/ai/usage` reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal, cast
from uuid import UUID

from sqlalchemy import Connection, String, func, select, text
from sqlalchemy import cast as as_type

from common.database import AnyRow
from common.models import AiReservation, AiUsage
from common.pagination import PageParameters, SortKey, paginate_rows

type By = Literal["day", "model", "user"]

_SUBJECTS: Final[dict[By, Any]] = {
    # As text, as cursors have it; days in this form are in their order.
    "day": func.to_char(AiUsage.day, text("'YYYY-MM-DD'")),
    "model": AiUsage.model,
    "user": as_type(AiUsage.owner_id, String),
}


@dataclass(frozen=True, slots=True)
class Span:
    """Of whom and when; a null owner is everybody, and both days are in it."""

    owner_id: UUID | None
    first: date
    last: date


def page_of_usage(
    connection: Connection, span: Span, by: By, page: PageParameters
) -> tuple[list[AnyRow], str | None]:
    """A page of sums: `subject`, `requests`, `prompt_tokens`, `completion_tokens`."""
    sums: Sequence[Any] = (
        func.sum(AiUsage.requests).label("requests"),
        func.sum(AiUsage.prompt_tokens).label("prompt_tokens"),
        func.sum(AiUsage.completion_tokens).label("completion_tokens"),
    )
    statement = select(_SUBJECTS[by].label("subject"), *sums)
    statement = statement.where(AiUsage.day.between(span.first, span.last))
    if span.owner_id is not None:
        statement = statement.where(AiUsage.owner_id == span.owner_id)
    found = statement.group_by(_SUBJECTS[by]).subquery("found")
    key = SortKey(cast("Any", found.c.subject), "desc" if by == "day" else "asc")
    context = f"usage {by} {span.owner_id} {span.first} {span.last}"
    return paginate_rows(connection, select(found), [key], page, context=context)


def reserved(connection: Connection, owner_id: UUID | None) -> AnyRow:
    """How many requests are under way, and the tokens that are set aside for them."""
    statement = select(
        func.count().label("requests"), func.coalesce(func.sum(AiReservation.tokens), 0).label("tokens")
    )
    if owner_id is not None:
        statement = statement.where(AiReservation.owner_id == owner_id)
    return connection.execute(statement.select_from(AiReservation)).one()
