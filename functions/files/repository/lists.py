"""Lists of files, in every order and with every filter.

Postgres knows how frequent a tag, a word or a kind is in the table, and nothing of one owner: left alone, it
walks through a million files to find ten, or finds thousands to show ten. What no index of the order knows is
therefore looked for in turns, each of which ends soon.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, func, select
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from common.database import AnyRow
from common.models import File
from common.pagination import (
    PageParameters,
    SortKey,
    in_order,
    paginate_found,
    paginate_rows,
    parse_sort,
)
from functions.files.repository.files import WITH_CONTENT
from functions.files.repository.visibility import visible_to

SORTS: Final = {"created_at": File.created_at, "name": File.name, "size": File.size}
TRASH_SORTS: Final = {"trashed_at": File.trashed_at}
_WILDCARD: Final = re.compile(r"([\\%_])")
type _Columns = ReadOnlyColumnCollection[str, Any]

_FILES: Final = File.__table__.c
# What one in two hundred files has is found among so many, and of what is rarer a million have few enough to
# collect: the two bounds meet there.
_WALKED: Final = 2_000
_COLLECTED: Final = 10_000
# What filters and orders look at.
_LISTED: Final = (
    File.id,
    File.name,
    File.family,
    File.media_type,
    File.size,
    File.tags,
    File.created_at,
    File.trashed_at,
)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which files; None says nothing. `type` is `image`, or `image/png`; `q` is within the name.

    The trash is a list of its own, in an order of its own.
    """

    type: str | None = None
    tag: str | None = None
    size_min: int | None = None
    size_max: int | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    q: str | None = None
    trashed: bool = False


def page(
    connection: Connection, user_id: UUID, filters: Filters, sort: str, parameters: PageParameters
) -> tuple[list[AnyRow], str | None]:
    """A page of files, and the cursor of the next."""
    keys = _keys(filters, sort)
    search = _Search(connection, user_id, filters, keys)
    if not search.searched:
        return page_at_once(connection, user_id, filters, sort, parameters)
    return paginate_found(search.find, keys, parameters, context=_context(user_id, filters))


def page_at_once(
    connection: Connection, user_id: UUID, filters: Filters, sort: str, parameters: PageParameters
) -> tuple[list[AnyRow], str | None]:
    """The same by one statement: quick where the index of the order knows all filters."""
    keys = _keys(filters, sort)
    order = keys[0].column.key
    statement = WITH_CONTENT.where(
        visible_to(user_id), *_served(filters, order), *_searched(_FILES, filters, order)
    )
    return paginate_rows(connection, statement, keys, parameters, context=_context(user_id, filters))


def _keys(filters: Filters, sort: str) -> list[SortKey]:
    return parse_sort(sort, TRASH_SORTS if filters.trashed else SORTS, File.id)


def _context(user_id: UUID, filters: Filters) -> str:
    return f"files {user_id} {filters}"


class _Search:
    """A list with filters: `served` are those that the index of its order knows."""

    def __init__(
        self, connection: Connection, user_id: UUID, filters: Filters, keys: Sequence[SortKey]
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._searched_of = partial(_searched, filters=filters, order=keys[0].column.key)
        self.served = [visible_to(user_id), *_served(filters, keys[0].column.key)]
        self.searched = list(self._searched_of(_FILES))

    def find(self, after: ColumnElement[bool], limit: int) -> Sequence[AnyRow]:
        """The first files after the cursor, `limit` at most."""
        near = self._near(after, limit)
        if len(near) == limit:
            return near
        collected = self._collected(after, limit)
        return self._all(after, limit) if collected is None else collected

    def _near(self, after: ColumnElement[bool], limit: int) -> Sequence[AnyRow]:
        """Those among the next _WALKED files: what is frequent."""
        walk = in_order(select(*_LISTED).where(*self.served, after), self._keys)
        walked = walk.limit(_WALKED).subquery("walked").c
        return self._read(select(walked.id).where(*self._searched_of(walked)), walked, limit)

    def _collected(self, after: ColumnElement[bool], limit: int) -> Sequence[AnyRow] | None:
        """Those among all files: what is rare. None where they are more than _COLLECTED."""
        found = select(*_LISTED).where(*self.served, *self.searched, after)
        # The bound keeps it apart: merged with the rest, it would be planned for a page.
        collected = found.limit(_COLLECTED + 1).subquery("collected").c
        rows = self._read(select(collected.id, func.count().over().label("number")), collected, limit)
        return None if rows and rows[0].number > _COLLECTED else rows

    def _all(self, after: ColumnElement[bool], limit: int) -> Sequence[AnyRow]:
        """As Postgres thinks best: what is frequent, and yet not near."""
        statement = WITH_CONTENT.where(*self.served, *self.searched, after)
        return self._connection.execute(in_order(statement, self._keys).limit(limit)).all()

    def _read(self, found: Select[*tuple[Any, ...]], of: _Columns, limit: int) -> Sequence[AnyRow]:
        """The first of those that were found, whole: contents are looked up for no others."""
        keys = [replace(key, column=of[key.column.key]) for key in self._keys]
        first = in_order(found, keys).limit(limit).subquery("first")
        rows = WITH_CONTENT.add_columns(*[column for column in first.c if column.key != "id"])
        return self._connection.execute(in_order(rows.join(first, first.c.id == File.id), self._keys)).all()


def _served(filters: Filters, order: str) -> Iterator[ColumnElement[bool]]:
    """What the index of this order knows: its own range, and among the newest the kind."""
    yield File.trashed_at.is_not(None) if filters.trashed else File.trashed_at.is_(None)
    if order == "created_at":
        yield from _created(_FILES, filters)
        yield from _of_family(_FILES, filters)
    if order == "size":
        yield from _sized(_FILES, filters)


def _searched(file: _Columns, filters: Filters, order: str) -> Iterator[ColumnElement[bool]]:
    """What it does not know."""
    if order != "created_at":
        yield from _created(file, filters)
        yield from _of_family(file, filters)
    if order != "size":
        yield from _sized(file, filters)
    if filters.type is not None and "/" in filters.type:
        yield file.media_type == filters.type
    if filters.tag is not None:
        yield file.tags.contains([filters.tag])
    if filters.q is not None:
        pattern = _WILDCARD.sub(r"\\\1", filters.q)
        yield func.lower(file.name).like(func.lower(f"%{pattern}%"))


def _created(file: _Columns, filters: Filters) -> Iterator[ColumnElement[bool]]:
    if filters.created_after is not None:
        yield file.created_at > filters.created_after
    if filters.created_before is not None:
        yield file.created_at < filters.created_before


def _of_family(file: _Columns, filters: Filters) -> Iterator[ColumnElement[bool]]:
    if filters.type is not None:
        yield file.family == filters.type.partition("/")[0]


def _sized(file: _Columns, filters: Filters) -> Iterator[ColumnElement[bool]]:
    if filters.size_min is not None:
        yield file.size >= filters.size_min
    if filters.size_max is not None:
        yield file.size <= filters.size_max
