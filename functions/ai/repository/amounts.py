"""Rows in amounts that memory has room for: what people and models say may be a line or megabytes."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute

type _Column = ColumnElement[Any] | InstrumentedAttribute[Any]

_OCTETS_A_ROW: Final = 200
"""Of all that is small in one."""


@dataclass(frozen=True, slots=True)
class Most:
    """So many rows, and none after those that have so many bytes of text together.

    What is held at once is so below `octets` and one more row.
    """

    rows: int
    octets: int


def at_most(
    statement: Select[*tuple[Any, ...]],
    key: InstrumentedAttribute[Any],
    order: _Column,
    texts: tuple[_Column, ...],
    most: Most,
) -> Select[*tuple[Any, ...]]:
    """The first of a statement's rows in this order; `key` tells its rows apart, `texts` are its long ones.

    Their lengths are known without a look at them. It begins with `select`, for those who may only read.
    """
    size = sum((func.coalesce(func.octet_length(each), 0) for each in texts), start=literal(_OCTETS_A_ROW))
    before = func.coalesce(func.sum(size).over(order_by=order, rows=(None, -1)), 0).label("before")
    some = statement.with_only_columns(key.label("key"), before).order_by(order).limit(most.rows).subquery()
    kept = select(some.c.key).where(some.c.before < most.octets)
    return statement.where(key.in_(kept)).order_by(order)
