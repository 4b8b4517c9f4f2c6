"""The child that fills the table of accounts up: `{"accounts"}` gives how many there are then.

Its indexes are dropped and made anew, which takes a fifth of the time, and its statistics and visibility map
are those of a table that autovacuum has seen.
"""

import json
import sys
from contextlib import closing
from typing import Any

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
    select indexname, indexdef from pg_indexes
    where tablename = 'users' and schemaname = current_schema()
        and not exists (select from pg_constraint where conname = indexname)
"""


def fill(connection: pg8000.native.Connection, wanted: int) -> int:
    """Have `wanted` accounts; returns how many there are."""
    for setting in ("synchronous_commit = off", "maintenance_work_mem = '512MB'", "statement_timeout = 0"):
        connection.run(f"set {setting}")
    indexes: Any = connection.run(INDEXES)
    for name, _ in indexes:
        connection.run(f'drop index "{name}"')
    connection.run(FILL, missing=wanted - _number(connection))
    for _, definition in indexes:
        connection.run(definition)
    connection.run("vacuum (analyze) users")
    return _number(connection)


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
