"""Lists stay fast where there are many rows: an index serves every filter in every order, on every page."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import Connection

from common.pagination import PageParameters
from functions.files.repository import lists as files
from functions.users.repository import accounts
from tests.support.plans import Explainer, Plan, explainer, filled_database
from tests.support.postgres import Databases

ROWS: Final = 100_000
FILES: Final = 50_000
MOST_READ: Final = 6_000
"""Rows that one page may look at: fewer than the hundredth page has before it."""

_OWNER: Final = f"md5('user ' || case when n % 10 < 6 then 1 else 1 + n % {FILES // 50} end)::uuid"

# A table, and how it is filled. `luck` and `fate` are numbers below 1000, the same in each run. No column is
# like another: where those whom a filter fits stand last in an order, Postgres reads all before them, as it
# cannot know.
INSERTS: Final = {
    "users": f"""
        insert into users (id, email, name, roles, state, created_at)
        select md5('user ' || n)::uuid,
            md5('address ' || n) || '@lambkin.example',
            md5('name ' || n) || ' ' || (array['Mary', 'Grace', 'Joan', 'Ruth'])[1 + luck % 4],
            case when luck < 1 then '{{admin}}' when luck < 51 then '{{editor,member}}' else '{{member}}' end
                ::varchar[],
            case when fate < 5 then 'disabled' when fate < 8 then 'deleting' else 'active' end,
            timestamptz '2026-01-01 00:00Z' + n * interval '1 minute'
        from generate_series(1, {ROWS}) n,
            lateral (select abs(hashtext('luck ' || n)) % 1000 as luck) as l,
            lateral (select abs(hashtext('fate ' || n)) % 1000 as fate) as f
    """,
    # Six of ten files are one person's, of the others everybody has twenty. Nobody else's tag is theirs.
    "file_contents": f"""
        insert into file_contents (id, owner_id, state, size, object_key, media_type)
        select md5('content ' || n)::uuid, {_OWNER}, 'ready', n, 'files/' || n, 'image/jpeg'
        from generate_series(1, {FILES}) n
    """,
    "files": f"""
        insert into files (id, owner_id, content_id, name, media_type, size, tags, created_at, trashed_at)
        select md5('file ' || n)::uuid, {_OWNER}, md5('content ' || n)::uuid,
            md5('name ' || n) || ' ' || (array['beach', 'Beach', 'letter', 'bill'])[1 + luck % 4],
            case when luck < 1 then 'video/mp4' when luck < 3 then 'image/png'
                when luck < 300 then 'text/plain' else 'image/jpeg' end,
            abs(hashtext('size ' || n)),
            case when fate < 1 then '{{rare,many}}' when fate < 50 then '{{some,many}}'
                when fate < 700 then '{{many}}' else '{{}}' end::varchar[],
            timestamptz '2026-01-01 00:00Z' + n * interval '1 minute',
            case when fate % 10 = 9 then timestamptz '2026-06-01 00:00Z' + luck * interval '1 hour' end
        from generate_series(1, {FILES}) n,
            lateral (select abs(hashtext('luck ' || n)) % 1000 as luck) as l,
            lateral (select abs(hashtext('fate ' || n)) % 1000 as fate) as f
    """,
}


@dataclass(frozen=True)
class Listing:
    """A list: its table, its repository's function, the filters to try, the orders that it offers."""

    table: str
    page: Callable[[Connection, Any, str, PageParameters], tuple[list[Any], str | None]]
    filters: Mapping[str, Any]
    sorts: Iterable[str]
    at_once: Callable[[Connection, Any, str, PageParameters], tuple[list[Any], str | None]] | None = None
    """The same page by one statement, where it takes several."""


def _both_ways(names: Iterable[str]) -> list[str]:
    return [f"{sign}{name}" for name in names for sign in ("", "-")]


def _address(number: int) -> str:
    return hashlib.md5(f"address {number}".encode(), usedforsecurity=False).hexdigest()


def _day(number: int) -> datetime:
    return datetime(2026, 1, number, tzinfo=UTC)


_ACCOUNTS: Final = {
    "none": accounts.Filters(),
    "one address": accounts.Filters(email=f"{_address(500)}@lambkin.example"),
    "no such address": accounts.Filters(email="nobody@lambkin.example"),
    "a role of most": accounts.Filters(role="member"),
    "a role of some": accounts.Filters(role="editor"),
    "a role of few": accounts.Filters(role="admin"),
    "a role of nobody": accounts.Filters(role="nobody"),
    "a state of most": accounts.Filters(state="active"),
    "a state of few": accounts.Filters(state="disabled"),
    "a state of none": accounts.Filters(state="invited"),
    "long after": accounts.Filters(created_after=_day(20)),
    "long before": accounts.Filters(created_before=_day(31)),
    "an hour": accounts.Filters(created_after=_day(20), created_before=_day(20).replace(hour=1)),
    "text of all": accounts.Filters(q="@lambkin"),
    "text of many": accounts.Filters(q="GRACE"),
    "text of one": accounts.Filters(q=_address(4711)[:12]),
    "text of none": accounts.Filters(q="nobody has this"),
    "text with wildcards": accounts.Filters(q="100%_sure"),
    "two of most": accounts.Filters(role="member", state="active"),
    "two of few": accounts.Filters(role="admin", state="disabled"),
    "all": accounts.Filters(role="editor", state="active", created_after=_day(2), q="abc"),
}

_FILES: Final = {
    "none": files.Filters(),
    "a kind of most": files.Filters(type="image"),
    "a kind of few": files.Filters(type="video"),
    "a kind of none": files.Filters(type="audio"),
    "a type of most": files.Filters(type="image/jpeg"),
    "a type of few": files.Filters(type="image/png"),
    "a tag of most": files.Filters(tag="many"),
    "a tag of some": files.Filters(tag="some"),
    "a tag of few": files.Filters(tag="rare"),
    "a tag of none": files.Filters(tag="nothing"),
    "large": files.Filters(size_min=2_100_000_000),
    "small": files.Filters(size_max=2_000_000),
    "an hour": files.Filters(created_after=_day(20), created_before=_day(20).replace(hour=1)),
    "text of many": files.Filters(q="BEACH"),
    "text of one": files.Filters(q=hashlib.md5(b"name 4711", usedforsecurity=False).hexdigest()[:12]),
    "text of none": files.Filters(q="nobody has this"),
    "two of most": files.Filters(type="image", tag="many"),
    "two of few": files.Filters(type="video", tag="rare"),
    "all": files.Filters(type="image/png", tag="some", created_after=_day(2), q="abc", size_min=7),
}
# What is kept for a month only has no index for sizes and times: with those, all of it may be looked at.
_TRASH: Final = {
    said: replace(filters, trashed=True)
    for said, filters in _FILES.items()
    if said not in ("large", "small", "an hour")
}


def _files_of(owner: UUID, filters: Mapping[str, Any], sorts: Iterable[str]) -> Listing:
    def of_owner(page: Callable[..., Any]) -> Callable[..., tuple[list[Any], str | None]]:
        def own(connection: Connection, filters: Any, sort: str, parameters: PageParameters) -> Any:
            return page(connection, owner, filters, sort, parameters)

        return own

    return Listing("files", of_owner(files.page), filters, _both_ways(sorts), of_owner(files.page_at_once))


_WITH_MOST, _WITH_SOME, _WITH_NONE = (
    UUID(hashlib.md5(f"user {n}".encode(), usedforsecurity=False).hexdigest()) for n in (1, 10, 90_000)
)

LISTINGS: Final = {
    "accounts": Listing("users", accounts.page_of_accounts, _ACCOUNTS, _both_ways(accounts.SORTS)),
    "files of one with many": _files_of(_WITH_MOST, _FILES, files.SORTS),
    "files of one with some": _files_of(_WITH_SOME, _FILES, files.SORTS),
    "files of one with none": _files_of(_WITH_NONE, _FILES, files.SORTS),
    "a full trash": _files_of(_WITH_MOST, _TRASH, files.TRASH_SORTS),
}


@pytest.fixture(scope="module")
def postgres(databases: Databases) -> Iterator[Explainer]:
    found = explainer(filled_database(databases, INSERTS))
    yield found
    found.engine.dispose()


def _complaints(plan: Plan, listing: Listing, *, sorted_by: str | None) -> Iterator[str]:
    if plan.scans("Seq Scan", listing.table):
        yield "reads the table from end to end"
    if plan.rows_read > MOST_READ:
        yield f"looks at {plan.rows_read} rows"
    if sorted_by is not None and not plan.begins_at_the_cursor(sorted_by):
        yield "does not enter an index at its cursor"


@pytest.mark.parametrize("name", LISTINGS)
def test_an_index_serves_every_filter_in_every_order_on_the_first_and_the_hundredth_page(
    postgres: Explainer, name: str
) -> None:
    listing = LISTINGS[name]
    found = {}
    for said, filters in listing.filters.items():
        for sort in listing.sorts:
            page = partial(_page, listing, filters, sort)
            cursor, deep = postgres.cursor(partial(page, at_once=True))
            later = [(cursor, sort.removeprefix("-") if deep else None)] if cursor else []
            for each, sorted_by in [(None, None), *later]:
                for plan in postgres.plans(page, each):
                    complaints = list(_complaints(plan, listing, sorted_by=sorted_by))
                    if complaints:
                        found[said, sort, "first page" if each is None else "later page"] = complaints
    assert found == {}


def _page(
    listing: Listing,
    filters: Any,
    sort: str,
    connection: Connection,
    page: PageParameters,
    *,
    at_once: bool = False,
) -> tuple[list[Any], str | None]:
    give = listing.at_once if at_once and listing.at_once else listing.page
    return give(connection, filters, sort, page)
