"""At 100,000 entries, no filter of the audit log and no order makes Postgres read the whole table."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import combinations, islice, product
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, event, make_url, text

from common.context import RequestContext, enter_context
from common.database.engine import build_engine
from common.pagination import PageParameters, parse_sort, rows_after
from common.principals import Principal
from functions.users import audit
from functions.users.repository.audit import SORTS, UNIQUE, entries
from functions.users.schemas.audit import AuditFilters
from tests.support.postgres import Databases

ENTRIES = 100_000
START = datetime(2026, 1, 1, tzinfo=UTC)

# As life has it: one action is most of the log, few entries are refusals, some people do a lot.
_FILL = """
    insert into audit_log (id, created_at, action, outcome, actor_id, subject_id, client_address, user_agent,
        request_id)
    select
        gen_random_uuid(),
        cast(:start as timestamptz) + n * interval '1 minute',
        case when mod(n, 10) < 7 then 'session.opened' else 'test.action_' || mod(n * 7919, 40) end,
        case when mod(n, 20000) = 0 then 'refused' else 'success' end,
        cast(lpad(to_hex(least(mod(n, 3000), 1000)), 32, '0') as uuid),
        cast(lpad(to_hex(mod(n, 2000)), 32, '0') as uuid),
        '203.0.113.9', 'Mozilla/5.0 (X11; Linux x86_64)', 'a-request'
    from generate_series(1, :number) as n
"""

FILTERS: dict[str, list[Any]] = {
    "action": ["session.opened", "test.action_3", "test.nobody_did"],
    "outcome": ["refused", "success"],
    "actor_id": [UUID(int=1000), UUID(int=5), UUID(int=1 << 100)],
    "subject_id": [UUID(int=7), UUID(int=1 << 100)],
    "since": [START + timedelta(minutes=1000), START + timedelta(minutes=ENTRIES - 50)],
    "until": [START + timedelta(minutes=1000), START + timedelta(minutes=ENTRIES - 50)],
}
SUBSETS = ["+".join(names) for number in range(len(FILTERS) + 1) for names in combinations(FILTERS, number)]
READER = Principal(UUID(int=1), UUID(int=2), frozenset({"audit:read"}), 0.0)
FIRST_PAGE = PageParameters(20, None)


class Log:
    """A long audit log, and the plans of the statements that read it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.statements: list[tuple[str, Any]] = []
        event.listen(connection, "before_cursor_execute", self._note)

    def _note(self, _connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if not statement.startswith("explain"):
            self.statements.append((statement, parameters))

    def read(self, filters: AuditFilters, sort: str, page: PageParameters) -> str | None:
        enter_context(RequestContext(function="users"))
        return audit.list_entries(self.connection, READER, filters, sort, page).next_cursor

    def plan(self) -> str:
        """The plan of the one statement since the last look."""
        [(statement, parameters)] = self.statements
        self.statements.clear()
        return "\n".join(self.connection.exec_driver_sql(f"explain {statement}", parameters).scalars())


@pytest.fixture(scope="module")
def log(databases: Databases, worker_id: str) -> Iterator[Log]:
    """It has a database of its own, as all else of the tests would be read with it."""
    name = f"{worker_id}_audit_plans"
    engine = build_engine(make_url(databases.create(name)), "tests", pool_size=1)
    with engine.begin() as connection:
        connection.execute(text(_FILL), {"start": START, "number": ENTRIES})
        connection.execute(text("analyze audit_log"))
    with engine.connect() as connection:
        yield Log(connection)
    engine.dispose()
    databases.drop(name)


def _variants(subset: str) -> Iterator[AuditFilters]:
    names = subset.split("+") if subset else []
    for values in product(*(FILTERS[name] for name in names)):
        yield AuditFilters(**dict(zip(names, values, strict=True)))


@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
@pytest.mark.parametrize("subset", SUBSETS)
def test_no_filter_and_no_order_reads_the_whole_log(log: Log, subset: str, sort: str) -> None:
    for filters in _variants(subset):
        log.read(filters, sort, FIRST_PAGE)
        plan = log.plan()
        assert "Seq Scan" not in plan, f"{filters}\n{plan}"
        assert "Index" in plan


@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
@pytest.mark.parametrize("name", ["", *FILTERS])
def test_a_later_page_begins_in_the_middle_of_an_index_that_has_its_order(
    log: Log, name: str, sort: str
) -> None:
    for filters in _variants(name):
        cursor = log.read(filters, sort, FIRST_PAGE)
        assert "Sort" not in log.plan()
        if cursor is not None:
            log.read(filters, sort, PageParameters(20, cursor))
            plan = log.plan()
            condition = next(line for line in plan.splitlines() if "Index Cond" in line)
            assert "ROW(created_at, id)" in condition, plan
            assert "Sort" not in plan


def test_an_export_reads_its_chunks_alike(log: Log) -> None:
    enter_context(RequestContext(function="users"))
    page = PageParameters(2500, None)
    statement = entries(action="session.opened")
    keys = parse_sort("-created_at", SORTS, UNIQUE)
    rows = list(islice(rows_after(log.connection, statement, keys, page, context="plans"), 2500))
    assert len({row.id for row in rows}) == 2500
    assert len(log.statements) == 3
    for read, parameters in log.statements:
        plan = "\n".join(log.connection.exec_driver_sql(f"explain {read}", parameters).scalars())
        assert "Seq Scan" not in plan
        assert "Sort" not in plan
    log.statements.clear()
