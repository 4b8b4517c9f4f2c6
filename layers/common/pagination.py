"""Lists: keyset pagination with an opaque cursor that cannot be altered.

An operation takes `page: PageQuery` and a `sort` of its own, and returns
`paginate(session, statement, keys, page, context=...)`: `{"items": [...], "next_cursor": ...}` and a `Link`.
"""

import base64
import binascii
import hmac
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from urllib.parse import parse_qsl, quote, urlencode
from uuid import UUID

from fastapi import Depends, Query
from pydantic import Field
from sqlalchemy import ColumnElement, Connection, Select, and_, or_, true, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.context import current_context
from common.database.transactions import AnyRow
from common.encryption import keyed_digest
from common.errors import BadRequest
from common.schemas import ResponseModel

MAX_LIMIT: Final = 100
_TAG_BYTES: Final = 16
_CHUNK: Final = 1000


class BrokenCursor(BadRequest):
    """The cursor is not one of ours, or of another list."""

    code = "broken_cursor"
    detail = "The cursor is not one that this list gave out: begin again without it."


@dataclass(frozen=True, slots=True)
class PageParameters:
    """`limit` items after `cursor`."""

    limit: int
    cursor: str | None


async def _page(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many items at most.")] = 20,
    cursor: Annotated[
        str | None, Query(max_length=2048, description="`next_cursor` of the page before.")
    ] = None,
) -> PageParameters:
    return PageParameters(limit, cursor)


PageQuery = Annotated[PageParameters, Depends(_page)]


class Page[Item](ResponseModel):
    """One page of a list."""

    items: list[Item]
    next_cursor: str | None = Field(
        description="Of the page after this one; null on the last.", examples=["ZXhhbXBsZQ…"]
    )


@dataclass(frozen=True, slots=True)
class SortKey:
    """A column that orders a list. It must not be null, and the last key of a list must be unique."""

    column: InstrumentedAttribute[Any]
    direction: Literal["asc", "desc"] = "asc"


def parse_sort(
    sort: str, allowed: dict[str, InstrumentedAttribute[Any]], unique: InstrumentedAttribute[Any]
) -> list[SortKey]:
    """`-created_at` to its column, then `unique` in the same direction, so that one index serves both.

    Raises BadRequest for a name that is not allowed.
    """
    name = sort.removeprefix("-")
    if name not in allowed:
        raise BadRequest(f"`sort` takes {', '.join(sorted(allowed))}, with a leading `-` to reverse.")
    direction: Literal["asc", "desc"] = "desc" if sort.startswith("-") else "asc"
    return [SortKey(column, direction) for column in dict.fromkeys((allowed[name], unique))]


def _dump(value: object) -> list[str | int | float | bool]:
    match value:
        case datetime():
            return ["t", value.isoformat()]
        case UUID():
            return ["u", str(value)]
        case bool() | int() | float() | str():
            return ["v", value]
    raise TypeError(f"a list cannot be ordered by {type(value).__name__}")


def _load(entry: list[Any]) -> object:
    kind, value = entry
    if kind == "t":
        return datetime.fromisoformat(value)
    return UUID(value) if kind == "u" else value


def _seal(values: list[Any], context: str) -> str:
    payload = json.dumps([_dump(value) for value in values], separators=(",", ":")).encode()
    tag = keyed_digest("cursor", context, payload)[:_TAG_BYTES]
    return base64.urlsafe_b64encode(tag + payload).decode().rstrip("=")


def _unseal(cursor: str, context: str, size: int) -> list[Any]:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise BrokenCursor from None
    tag, payload = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
    if not hmac.compare_digest(tag, keyed_digest("cursor", context, payload)[:_TAG_BYTES]):
        raise BrokenCursor
    values = [_load(entry) for entry in json.loads(payload)]
    if len(values) != size:
        raise BrokenCursor
    return values


def _after(keys: Sequence[SortKey], values: Sequence[Any]) -> ColumnElement[bool]:
    columns = [key.column for key in keys]
    if all(key.direction == keys[0].direction for key in keys):
        # A comparison of rows is the one form for which Postgres begins in the middle of an index.
        after = tuple_(*values, types=[column.type for column in columns])
        return tuple_(*columns) > after if keys[0].direction == "asc" else tuple_(*columns) < after
    # Spelled out, as the directions differ: a > x or (a = x and b < y).
    clauses = []
    for index, (key, value) in enumerate(zip(keys, values, strict=True)):
        beyond = key.column > value if key.direction == "asc" else key.column < value
        clauses.append(and_(*(k.column == v for k, v in zip(keys[:index], values, strict=False)), beyond))
    return or_(*clauses)


def _link_next(limit: int, cursor: str) -> None:
    context = current_context()
    same = [pair for pair in parse_qsl(context.query) if pair[0] not in ("limit", "cursor")]
    query = urlencode([*same, ("limit", limit), ("cursor", cursor)])
    context.response_headers["Link"] = f'<{quote(context.path)}?{query}>; rel="next"'


def paginate[Entity](
    session: Session,
    statement: Select[Entity],
    keys: Sequence[SortKey],
    page: PageParameters,
    *,
    context: str,
) -> tuple[list[Entity], str | None]:
    """The entities of one page and the cursor of the next.

    `context` names the list with its filters and its reader: a cursor works in no other. Sets `Link`.
    """
    limited, context = _of_page(statement, keys, page, context)
    return _cut(list(session.scalars(limited)), keys, page, context)


def paginate_rows(
    connection: Connection,
    statement: Select[*tuple[Any, ...]],
    keys: Sequence[SortKey],
    page: PageParameters,
    *,
    context: str,
) -> tuple[list[AnyRow], str | None]:
    """The same for a statement that selects columns, those of `keys` among them."""
    limited, context = _of_page(statement, keys, page, context)
    return _cut(list(connection.execute(limited).all()), keys, page, context)


def paginate_found(
    find: Callable[[ColumnElement[bool], int], Sequence[AnyRow]],
    keys: Sequence[SortKey],
    page: PageParameters,
    *,
    context: str,
) -> tuple[list[AnyRow], str | None]:
    """The same where it takes more than one statement: `find` gives the rows in the order of `keys`.

    It is told the condition of what comes after the cursor, and how many rows are wanted at most.
    """
    context = _in_full(context, keys)
    after = true() if page.cursor is None else _after(keys, _unseal(page.cursor, context, len(keys)))
    return _cut(list(find(after, page.limit + 1)), keys, page, context)


def rows_after(
    connection: Connection,
    statement: Select[*tuple[Any, ...]],
    keys: Sequence[SortKey],
    page: PageParameters,
    *,
    context: str,
) -> Iterator[AnyRow]:
    """All rows after the cursor, read a chunk at a time: for an answer that ends where it is full.

    Who stops calls `cursor_after` with the last row that was taken.
    """
    last = None if page.cursor is None else _unseal(page.cursor, _in_full(context, keys), len(keys))
    chunk = min(page.limit + 1, _CHUNK)
    ordered = in_order(statement, keys).limit(chunk)
    while True:
        rows = connection.execute(ordered if last is None else ordered.where(_after(keys, last))).all()
        yield from rows
        if len(rows) < chunk:
            return
        last = _values(rows[-1], keys)


def cursor_after(row: AnyRow, keys: Sequence[SortKey], page: PageParameters, *, context: str) -> str:
    """The cursor of what comes after `row`. Sets `Link`."""
    cursor = _seal(_values(row, keys), _in_full(context, keys))
    _link_next(page.limit, cursor)
    return cursor


def _in_full(context: str, keys: Sequence[SortKey]) -> str:
    order = ",".join(f"{key.column.key} {key.direction}" for key in keys)
    return f"{current_context().function}|{context}|{order}"


def in_order[S: Select[*tuple[Any, ...]]](statement: S, keys: Sequence[SortKey]) -> S:
    """The statement in the order of the list."""
    columns = [key.column.asc() if key.direction == "asc" else key.column.desc() for key in keys]
    return statement.order_by(*columns)


def _values(row: object, keys: Sequence[SortKey]) -> list[Any]:
    return [getattr(row, key.column.key) for key in keys]


def _of_page[S: Select[*tuple[Any, ...]]](
    statement: S, keys: Sequence[SortKey], page: PageParameters, context: str
) -> tuple[S, str]:
    context = _in_full(context, keys)
    if page.cursor is not None:
        statement = statement.where(_after(keys, _unseal(page.cursor, context, len(keys))))
    return in_order(statement, keys).limit(page.limit + 1), context


def _cut[T](
    rows: list[T], keys: Sequence[SortKey], page: PageParameters, context: str
) -> tuple[list[T], str | None]:
    if len(rows) <= page.limit:
        return rows, None
    rows = rows[: page.limit]
    cursor = _seal(_values(rows[-1], keys), context)
    _link_next(page.limit, cursor)
    return rows, cursor
