"""One migration of a database at a time. Alembic itself takes no lock."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Engine, text

from migrations.connections import connected
from migrations.errors import MigrationLocked

KEY: Final = int.from_bytes(b"lambkin")
_POLL_SECONDS: Final = 0.1

_TAKE: Final = text("select pg_try_advisory_lock(:key)")
_HOLDER: Final = text("""
    select pid, backend_start
    from pg_locks left join pg_stat_activity using (pid)
    where locktype = 'advisory' and granted and objsubid = 1
      and classid = :high and objid = :low
      and pg_locks.database = (select oid from pg_database where datname = current_database())
""")


@contextmanager
def migration_lock(engine: Engine, wait_seconds: float) -> Iterator[None]:
    """Hold the database's migration lock on a connection of its own.

    A session lock, as a transaction's would end at each COMMIT of the migration. Raises MigrationLocked where
    another holds it for longer than `wait_seconds`.
    """
    with connected(engine) as connection:
        deadline = time.monotonic() + wait_seconds
        while not _try(connection):
            if time.monotonic() >= deadline:
                raise MigrationLocked(_sentence(connection, wait_seconds))
            # Polled: a session that waits inside pg_advisory_lock holds a snapshot, for which the other
            # migration's CREATE INDEX CONCURRENTLY would wait in turn.
            time.sleep(_POLL_SECONDS)
        # The connection is closed in the end, and not reused: that releases the lock, also after a crash.
        yield


def _try(connection: Connection) -> bool:
    with connection.begin():
        return bool(connection.scalar(_TAKE, {"key": KEY}))


def _sentence(connection: Connection, wait_seconds: float) -> str:
    with connection.begin():
        holder = connection.execute(_HOLDER, {"high": KEY >> 32, "low": KEY & 0xFFFF_FFFF}).first()
    if holder is None:
        who = "it has just ended, so try again"
    else:
        # Of other accounts' sessions Postgres shows us the pid alone.
        since = (
            f", since {holder.backend_start.isoformat(timespec='seconds')}" if holder.backend_start else ""
        )
        who = f"pid {holder.pid}{since}"
    return f"Another migration is running: {who}. Waited {wait_seconds:g} s for it."
