"""Keys are found by an index, however many there are."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, create_engine, event, make_url, text

from common import api_keys
from common.pagination import PageParameters
from functions.auth.repository import api_keys as stored

FILL = """
    insert into users (id, email)
    select cast(lpad(to_hex(n), 32, '0') as uuid), n || '@lambkin.example' from generate_series(1, 1000) n;
    insert into api_keys (id, user_id, name, digest, scopes, created_at)
    select gen_random_uuid(), users.id, 'x', '', '{}', now() - n * interval '1 minute'
    from users, generate_series(1, 100) n;
    analyze users, api_keys;
"""
READER = UUID(int=500)


def _plan(connection: Connection, read: Callable[[], object]) -> list[dict[str, Any]]:
    """The nodes of the plan of each statement that `read` sends."""
    sent: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        sent.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    read()
    event.remove(connection, "before_cursor_execute", note)
    assert len(sent) == 1
    plan = connection.exec_driver_sql(f"explain (format json) {sent[0][0]}", sent[0][1]).scalar_one()
    return list(_nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]))


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in _nodes(child))]


@pytest.fixture
def filled(fresh_database_url: Callable[..., str]) -> Iterator[Connection]:
    """A database with 100 keys for each of 1,000 accounts."""
    engine = create_engine(make_url(fresh_database_url(migrated=True)))
    with engine.begin() as connection:
        for statement in FILL.split(";")[:-1]:
            connection.execute(text(statement))
        yield connection
    engine.dispose()


def test_at_100_000_keys_each_query_is_served_by_an_index(filled: Connection) -> None:
    for sort in ("created_at", "-created_at"):
        _, cursor = stored.keys_of(filled, READER, sort, PageParameters(20, None))
        for page in (PageParameters(20, None), PageParameters(20, cursor)):
            plan = _plan(filled, partial(stored.keys_of, filled, READER, sort, page))
            assert {node["Node Type"] for node in plan} == {"Limit", "Index Scan"}
            assert {node["Index Name"] for node in plan[1:]} == {"ix_api_keys_user_id_created_at_id"}
    key_id = filled.execute(text("select id from api_keys limit 1 offset 5000")).scalar_one()
    by_key: dict[str, Callable[[], object]] = {
        "verified": partial(api_keys._find, filled, key_id),
        "noted": partial(filled.execute, api_keys._TOUCH, {"key_id": key_id}),
        "read": partial(stored.find_key, filled, READER, key_id),
    }
    for what, read in by_key.items():
        plan = _plan(filled, read)
        assert "pk_api_keys" in {node.get("Index Name") for node in plan}, what
        scanned = {node["Relation Name"] for node in plan if node["Node Type"] == "Seq Scan"}
        # There are as many roles as an administrator made.
        assert scanned <= {"roles"}, what
