"""The child that fills the table of accounts up: `{"accounts"}` gives how many there are then.

Its indexes are dropped and made anew, which takes a fifth of the time, and its statistics and visibility map
are those of a table that autovacuum has seen.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import pg8000.native
from sqlalchemy import make_url

from common.settings import get_settings
from infra.bench.rig import connect

# A directory as a team would have it: names that repeat, a few who are not active, a few with other roles.
FILL = """
    insert into users (id, email, name, roles, state, email_verified_at, created_at, updated_at)
    select uuidv7(age), 'person' || n || '@example-' || n % 97 || '.test',
        (array['Ada', 'Bela', 'Chidi', 'Dana', 'Eve', 'Fay'])[1 + n % 6] || ' ' || substr(md5(n::text), 1, 8),
        case when n % 100 = 0 then array['admin'] else array['member'] end,
        case when n % 50 = 7 then 'invited' when n % 50 = 9 then 'disabled' else 'active' end,
        now(), now() + age, now() + age
    from (
        select n, make_interval(secs => -30.0 * n) as age from generate_series(1, :missing) as n
    ) as numbered
"""
INDEXES = """
    select indexname, tablename, indexdef from pg_indexes
    where tablename = any(cast(:tables as text[])) and schemaname = current_schema()
        and not exists (select from pg_constraint where conname = indexname)
"""
FOREIGN_KEYS = """
    select conname, conrelid::regclass::text, pg_get_constraintdef(oid) from pg_constraint
    where conrelid = any(cast(:tables as regclass[])) and contype = 'f'
"""


def fill(connection: pg8000.native.Connection, wanted: int) -> int:
    """Have `wanted` accounts; returns how many there are."""
    with filling(connection, "users"):
        connection.run(FILL, missing=wanted - _number(connection))
    return _number(connection)


@contextmanager
def filling(connection: pg8000.native.Connection, *tables: str) -> Iterator[None]:
    """Have rows added without indexes and foreign keys; both are made anew after it, and statistics."""
    for setting in ("synchronous_commit = off", "maintenance_work_mem = '512MB'", "statement_timeout = 0"):
        connection.run(f"set {setting}")
    indexes, keys = ([*_told(connection, query, tables)] for query in (INDEXES, FOREIGN_KEYS))
    for name, table, _ in keys:
        connection.run(f'alter table {table} drop constraint "{name}"')
    for name, _, _ in indexes:
        connection.run(f'drop index "{name}"')
    yield
    for _, _, definition in indexes:
        connection.run(definition)
    for name, table, definition in keys:
        connection.run(f'alter table {table} add constraint "{name}" {definition}')
    for table in tables:
        connection.run(f"vacuum (analyze) {table}")


def _told(connection: pg8000.native.Connection, query: str, tables: Sequence[str]) -> list[list[str]]:
    return connection.run(query, tables=list(tables)) or []


def _number(connection: pg8000.native.Connection) -> int:
    return int((connection.run("select count(*) from users") or [[0]])[0][0])


def main() -> None:
    """Answer one question, as the owner."""
    wanted = json.load(sys.stdin)["accounts"]
    url = make_url(get_settings().database_url)
    with closing(connect(url)) as connection:
        json.dump(fill(connection, wanted), sys.stdout)


if __name__ == "__main__":
    main()
