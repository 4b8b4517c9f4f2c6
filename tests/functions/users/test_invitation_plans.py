"""Lists of invitations stay fast where there are many: an index serves each statement."""

from collections.abc import Callable, Iterator
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import Connection, event, make_url, text
from sqlalchemy.orm import Session

from common.context import RequestContext, enter_context
from common.database.engine import build_engine
from common.ids import new_id
from common.pagination import PageParameters
from functions.users.repository import bulk_invitations as stored
from functions.users.repository import erasure
from tests.support.world import World

SENDER: Final = new_id()
LISTS: Final = 2000
LINES: Final = 50

type Read = Callable[[Connection, UUID, PageParameters], Any]

READS: Final[dict[str, Read]] = {
    "lists": lambda connection, _, page: stored.page_of_lists(connection, page),
    "one list": lambda connection, list_id, _: stored.one_list(connection, list_id),
    "counts": lambda connection, list_id, _: stored.counts(connection, [list_id]),
    "lines": stored.page_of_lines,
}


@pytest.fixture
def connection(fresh_database_url: Callable[..., str]) -> Iterator[Connection]:
    """A database with 100,000 lines."""
    engine = build_engine(make_url(fresh_database_url(migrated=True)), "tests", pool_size=1)
    with engine.connect() as made:
        made.execute(
            text("insert into users (id, email) values (:id, 'ada@lambkin.example')"), {"id": SENDER}
        )
        made.execute(
            text(
                "insert into bulk_invitations (id, created_by)"
                " select md5('list ' || n)::uuid, :id from generate_series(1, :lists) n"
            ),
            {"id": SENDER, "lists": LISTS},
        )
        made.execute(
            text(
                "insert into bulk_invitation_lines (bulk_invitation_id, line, email, outcome)"
                " select id, n, 'x@lambkin.example', 'invited'"
                " from bulk_invitations, generate_series(2, :lines + 1) n"
            ),
            {"lines": LINES},
        )
        made.execute(text("analyze bulk_invitations, bulk_invitation_lines"))
        yield made
    engine.dispose()


def test_no_list_of_invitations_is_read_from_end_to_end(connection: Connection) -> None:
    enter_context(RequestContext(function="users"))
    sent: list[tuple[str, Any]] = []
    event.listen(connection, "before_cursor_execute", lambda *call: sent.append((call[2], call[3])))
    list_id = connection.execute(text("select id from bulk_invitations limit 1")).scalar_one()
    sent.clear()
    for name, read in READS.items():
        pages = [None]
        if name in ("lists", "lines"):
            pages.append(read(connection, list_id, PageParameters(20, None))[1])
        for cursor in pages:
            sent.clear()
            read(connection, list_id, PageParameters(20, cursor))
            [(statement, parameters)] = sent
            explained = connection.exec_driver_sql(f"explain {statement}", parameters)
            plan = "\n".join(explained.scalars())
            assert "Index" in plan, name
            assert "Seq Scan" not in plan, name
            assert ("Sort" not in plan) or name == "counts", name


def test_deleting_who_sent_lists_finds_them_by_an_index(world: World) -> None:
    sent = "explain select from bulk_invitations where created_by = gen_random_uuid()"
    with world.engine.begin() as connection:
        connection.execute(text("set local enable_seqscan = off"))
        assert "ix_bulk_invitations_created_by" in "\n".join(connection.execute(text(sent)).scalars())


def test_the_erasure_of_a_person_finds_their_lines_by_indexes(connection: Connection) -> None:
    sent: list[tuple[str, Any]] = []
    event.listen(connection, "before_cursor_execute", lambda *call: sent.append((call[2], call[3])))
    with Session(connection) as session:
        erasure.delete_invitation_lines(session, new_id(), "grace@lambkin.example")
    [(statement, parameters)] = sent
    plan = "\n".join(connection.exec_driver_sql(f"explain {statement}", parameters).scalars())
    assert "ix_bulk_invitation_lines_email" in plan
    assert "ix_bulk_invitation_lines_user_id" in plan
