"""Connections for migrations: the owner's, direct, with patience of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError

from common.database.engine import Timeouts, connect_arguments
from common.database.roles import ROLE_PREFIX
from common.settings import get_settings
from migrations.errors import DatabaseUnreachable, MigrationError

APPLICATION: Final = "lambkin-migrate"
# Whoever waits for a table's lock holds up all who come after: rather give up soon, and try again.
LOCK_SECONDS: Final = 5.0
# Below the 15 minutes after which Lambda ends the migrate function.
STATEMENT_SECONDS: Final = 600.0


def owner_url(database_url: str) -> URL:
    """The address, checked: migrations connect as the owner. Raises MigrationError."""
    url = make_url(database_url)
    if (url.username or "").startswith(ROLE_PREFIX):
        raise MigrationError(
            f"DATABASE_URL names {url.username}, a function's role: migrations need the owner's."
        )
    return url


def owner_engine(url: URL) -> Engine:
    """An engine without a pool, with the timeouts of migrations in place of those of requests."""
    connect_seconds = get_settings().database_connect_seconds
    timeouts = Timeouts(connect=connect_seconds, statement=STATEMENT_SECONDS, lock=LOCK_SECONDS)
    engine = create_engine(
        url, poolclass=NullPool, connect_args=connect_arguments(url, APPLICATION, timeouts)
    )
    event.listen(engine, "connect", _outlast_statements)
    if url.get_driver_name() == "pg8000":
        _leave_no_transaction(engine.dialect)
    return engine


def _leave_no_transaction(dialect: Any) -> None:  # noqa: ANN401 - a method is replaced
    """Let Alembic's autocommit_block begin outside of a transaction.

    It first asks for the isolation level, which with pg8000 begins a transaction; SQLAlchemy's dialects of
    other drivers end it themselves.
    """
    ask = dialect.get_isolation_level

    def ask_and_end(connection: Any) -> object:  # noqa: ANN401 - pg8000 ships no types
        was_idle = not connection._in_transaction  # noqa: SLF001 - pg8000 tells it nowhere else
        level: object = ask(connection)
        if was_idle:
            connection.rollback()
        return level

    dialect.get_isolation_level = ask_and_end


def _outlast_statements(connection: Any, _record: object) -> None:  # noqa: ANN401 - any driver's connection
    # pg8000 reads with the timeout it connected with: the server's own must come first.
    socket = getattr(connection, "_usock", None)
    if socket is not None:
        socket.settimeout(STATEMENT_SECONDS + 30)


@contextmanager
def connected(engine: Engine) -> Iterator[Connection]:
    """One connection, closed in the end. Raises DatabaseUnreachable."""
    try:
        connection = engine.connect()
    except (DBAPIError, OSError) as error:
        raise DatabaseUnreachable(
            f"Cannot connect to {engine.url.render_as_string()}: {explain(error)}."
        ) from error
    with connection:
        yield connection


def explain(error: BaseException) -> str:
    """What the server or the driver said, without the statement and its parameters."""
    cause: BaseException = error
    if isinstance(error, DBAPIError) and error.orig is not None:
        cause = error.orig
    details: Any = cause.args[0] if cause.args else ""
    said = str(details.get("M", details)) if isinstance(details, dict) else str(details)
    return " ".join(said.split("\n")[0].split()).rstrip(".") or type(cause).__name__
