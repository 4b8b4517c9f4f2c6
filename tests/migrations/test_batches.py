from collections.abc import Callable

import pytest
import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from sqlalchemy import event, make_url

from migrations import runner
from migrations.batches import in_batches
from migrations.connections import owner_engine
from migrations.errors import MigrationFailed
from tests.migrations.conftest import Connect, WriteRevision

ROWS = 5000
FILL = """
    create table letters
        (id bigint primary key, body text not null, length int, writes int not null default 0);
    insert into letters select n, repeat('x', n % 7) from generate_series(1, 5000) n;
"""
REVISION = """
from migrations.batches import in_batches
letters = sa.table("letters", *(sa.column(name) for name in ("id", "body", "length", "writes")))
in_batches(
    op.get_context(), letters, size=500, where=letters.c.length.is_(None),
    values={"length": sa.func.length(letters.c.body), "writes": letters.c.writes + 1},
)
"""


@pytest.fixture
def url(fresh_database_url: Callable[..., str], connection_to: Connect, write_revision: WriteRevision) -> str:
    """A database whose next revision fills 5,000 rows."""
    url = fresh_database_url(migrated=True)
    connection_to(url).execute_simple(FILL)
    write_revision("0901", REVISION)
    return url


def _progress(connection_to: Connect, url: str) -> list[int]:
    [counts] = connection_to(url).run(
        "select count(length), coalesce(max(writes), 0), count(*) filter (where length <> length(body)) "
        "from letters"
    )
    return list(counts)


def test_all_rows_are_changed_once(url: str, connection_to: Connect) -> None:
    runner.upgrade(url)
    assert _progress(connection_to, url) == [ROWS, 1, 0]


def test_a_run_that_failed_is_resumed_where_it_stopped(url: str, connection_to: Connect) -> None:
    connection_to(url).run("alter table letters add constraint poison check (id <> 2600 or length is null)")
    for _ in range(2):
        with pytest.raises(MigrationFailed, match=r"0901 failed.*poison"):
            runner.upgrade(url)
        assert _progress(connection_to, url) == [2500, 1, 0]
    connection_to(url).run("alter table letters drop constraint poison")
    runner.upgrade(url)
    assert _progress(connection_to, url) == [ROWS, 1, 0]
    assert runner.status(url).current == "0901"


def test_no_batch_holds_a_lock_when_the_next_begins(url: str, connection_to: Connect) -> None:
    other = connection_to(url)
    other.run("set lock_timeout = '1s'")
    locked: list[str] = []

    def lock_the_table(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if "letters" in statement:
            other.execute_simple("begin; lock table letters in share row exclusive mode; rollback")
            locked.append(statement)

    engine = owner_engine(make_url(url))
    event.listen(engine, "before_cursor_execute", lock_the_table)
    letters = sa.table("letters", *(sa.column(name) for name in ("id", "length")))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        with context.begin_transaction():
            changed = in_batches(
                context, letters, size=1000, where=letters.c.length.is_(None), values={"length": 0}
            )
    assert changed == ROWS
    assert len(locked) == ROWS // 1000 + 1


def test_sql_alone_says_that_it_changes_no_rows(write_revision: WriteRevision) -> None:
    write_revision("0901", REVISION)
    assert "-- letters: rows are changed in batches" in runner.sql("0001:0901")
