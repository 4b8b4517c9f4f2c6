"""The list of keys is served by an index, however many there are."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, create_engine, event, make_url, text

from common.pagination import PageParameters
from functions.auth.repository import api_keys

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


def test_a_page_is_read_in_the_order_of_an_index_at_100_000_rows(
    fresh_database_url: Callable[..., str],
) -> None:
    engine = create_engine(make_url(fresh_database_url(migrated=True)))
    with engine.begin() as connection:
        for statement in FILL.split(";")[:-1]:
            connection.execute(text(statement))
        for sort in ("created_at", "-created_at"):
            _, cursor = api_keys.keys_of(connection, READER, sort, PageParameters(20, None))
            for page in (PageParameters(20, None), PageParameters(20, cursor)):
                plan = _plan(connection, partial(api_keys.keys_of, connection, READER, sort, page))
                kinds = {node["Node Type"] for node in plan}
                assert kinds == {"Limit", "Index Scan"}, kinds
                assert {node["Index Name"] for node in plan if "Index Name" in node} == {
                    "ix_api_keys_user_id_created_at_id"
                }
    engine.dispose()
