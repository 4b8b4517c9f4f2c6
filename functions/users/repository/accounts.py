"""Accounts, as `users` reads them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, String, bindparam, func, literal_column, select

from common.database import AnyRow
from common.models import User
from common.models.accounts import SEARCHED
from common.pagination import PageParameters, SortKey, paginate_rows, parse_sort

# Columns, not entities, and built once: this is the most frequent query of all.
_PROFILE: Final = select(
    User.id,
    User.email,
    User.email_verified_at,
    User.name,
    User.locale,
    User.roles,
    User.state,
    User.created_at,
    User.updated_at,
    User.version,
).where(User.id == bindparam("user_id"))

_ADMINISTERED: Final = select(
    User.id,
    User.email,
    User.email_verified_at,
    User.name,
    User.locale,
    User.roles,
    User.state,
    User.disabled_reason,
    User.password_reset_required,
    User.erase_at,
    User.created_at,
    User.updated_at,
    User.version,
)

SORTS: Final = {"created_at": User.created_at, "email": User.email, "name": User.name}
_WILDCARD: Final = re.compile(r"([\\%_])")


@dataclass(frozen=True, slots=True)
class Filters:
    """Which accounts; those that are None say nothing. `q` is text within the address or the name."""

    email: str | None = None
    role: str | None = None
    state: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    q: str | None = None


def profile(connection: Connection, user_id: UUID) -> AnyRow | None:
    """An account's columns."""
    return connection.execute(_PROFILE, {"user_id": user_id}).first()


def administered(connection: Connection, user_id: UUID) -> AnyRow | None:
    """The columns of an account that its administrators see."""
    return connection.execute(_ADMINISTERED.where(User.id == user_id)).first()


def page_of_accounts(
    connection: Connection, filters: Filters, sort: str, page: PageParameters
) -> tuple[list[AnyRow], str | None]:
    """A page of accounts, and the cursor of the next."""
    statement = _ADMINISTERED.where(*_conditions(filters))
    return paginate_rows(connection, statement, _keys(sort), page, context=f"accounts {filters}")


def _keys(sort: str) -> list[SortKey]:
    # An address is unique by itself: its index needs no second column.
    return parse_sort(sort, SORTS, User.email if sort.endswith("email") else User.id)


def _conditions(filters: Filters) -> Iterator[ColumnElement[bool]]:
    if filters.email is not None:
        yield User.email == filters.email
    if filters.role is not None:
        yield User.roles.contains([filters.role])
    if filters.state is not None:
        yield User.state == filters.state
    if filters.created_after is not None:
        yield User.created_at > filters.created_after
    if filters.created_before is not None:
        yield User.created_at < filters.created_before
    if filters.q is not None:
        pattern = _WILDCARD.sub(r"\\\1", filters.q)
        # The database's own lower(), on both sides: Python's differs in some letters.
        yield literal_column(SEARCHED, String()).like(func.lower(f"%{pattern}%"))
