import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from io import BytesIO
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import pytest
from pg8000 import legacy
from sqlalchemy import URL, Engine, create_engine, exc, make_url, text

from common.database import pipelined
from tests.support.counting_proxy import CountingProxy

ADD = text("insert into pipelined_rows values (:id, :note)")
READ = text("select note from pipelined_rows where id = :id")


@contextmanager
def an_engine(url: str | URL, module: object = pipelined, **options: object) -> Iterator[Engine]:
    arguments = {"ssl_context": False, **options.pop("connect_args", {})}  # type: ignore[dict-item]  # a mapping
    engine = create_engine(url, module=module, connect_args=arguments, **options)
    try:
        yield engine
    finally:
        engine.dispose()


def dbapi(module: Any, url: str) -> Any:  # pg8000 ships no types
    return module.connect(**make_url(url).translate_connect_args(username="user"), ssl_context=False)


@pytest.fixture(scope="session")
def pg8000_url(database_url: str) -> str:
    """The worker's database through pg8000, whatever driver the run is for."""
    url = make_url(database_url).set(drivername="postgresql+pg8000")
    return url.render_as_string(hide_password=False)


@pytest.fixture
def engine(pg8000_url: str) -> Iterator[Engine]:
    with an_engine(pg8000_url) as engine:
        yield engine


@pytest.fixture
def cursor(pg8000_url: str) -> Iterator[Any]:
    with closing(dbapi(pipelined, pg8000_url)) as connection:
        yield connection.cursor()


@pytest.fixture(autouse=True)
def _tables(engine: Engine) -> Iterator[None]:
    drop = "drop table if exists pipelined_rows, pipelined_deferred;"
    create = """
        create table pipelined_rows (id int primary key, note text);
        create table pipelined_deferred (id int unique deferrable initially deferred)
    """
    with engine.begin() as connection:
        connection.exec_driver_sql(drop + create)
    yield
    with engine.begin() as connection:
        connection.exec_driver_sql(drop)


@pytest.fixture
def count(pg8000_url: str) -> Iterator[Callable[..., int]]:
    """Runs work on an engine whose first connection is open, returns its round trips."""
    url = make_url(pg8000_url)
    with CountingProxy(url) as proxy, ThreadPoolExecutor(1) as pool:
        pool.submit(proxy.serve_forever, 0.01)

        def count(work: Callable[[Engine], object], module: object = pipelined, **options: object) -> int:
            address = url.set(host="127.0.0.1", port=proxy.server_address[1])
            with an_engine(address, module, **options) as engine:
                engine.connect().close()
                before = proxy.round_trips
                work(engine)
                return proxy.round_trips - before

        yield count
        proxy.shutdown()


def read_one(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(READ, {"id": 1})


def read_without_parameters(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("select 1"))


def fails(engine: Engine, statement: str, parameters: tuple[object, ...]) -> exc.DBAPIError:
    """Returns the error of a first statement, having shown that the connection is usable after it."""
    with engine.connect() as connection:
        with pytest.raises(exc.DBAPIError) as caught:
            connection.exec_driver_sql(statement, parameters)
        connection.rollback()
        assert connection.execute(text("select 1")).scalar() == 1
    return caught.value


def sqlstate(error: BaseException | None) -> object:
    return error and error.args[0]["C"]


def test_begin_a_select_and_commit_cost_two_round_trips_instead_of_seven(count: Callable[..., int]) -> None:
    assert count(read_one) == count(read_without_parameters) == 2
    assert count(read_one, module=legacy) == 7


def test_ending_a_transaction_that_sent_nothing_costs_nothing(count: Callable[..., int]) -> None:
    def work(engine: Engine) -> None:
        with engine.connect() as connection:
            connection.rollback()
            connection.begin().commit()

    assert count(work) == 0
    assert count(work, pool_pre_ping=True) == 1


def test_executemany_sends_many_rows_a_round_trip(count: Callable[..., int], engine: Engine) -> None:
    def work(engine: Engine) -> None:
        with engine.begin() as connection:
            result = connection.execute(ADD, [{"id": i, "note": f"note {i}"} for i in range(3000)])
            assert result.rowcount == 3000

    assert count(work) < 10
    with engine.connect() as connection:
        assert connection.execute(text("select sum(id) from pipelined_rows")).scalar() == 2999 * 1500


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        ("selec 1", ()),
        ("select 1/0", ()),
        ("select 1; select 1/0", ()),
        ("select * from nowhere where id = %s", (1,)),
        ("select 1 / %s::int", (0,)),
        ("select %s::int", ("no number",)),
        ("insert into pipelined_rows values (1), (1)", ()),
    ],
)
def test_errors_are_those_of_pg8000(
    pg8000_url: str, engine: Engine, statement: str, parameters: tuple[object, ...]
) -> None:
    with an_engine(pg8000_url, legacy) as plain:
        expected, error = (fails(which, statement, parameters) for which in (plain, engine))
    assert (type(error), type(error.orig)) == (type(expected), type(expected.orig))
    assert str(error.orig) == str(expected.orig)


@pytest.mark.parametrize("statement", ["selec 1", "select 1/0", "select 1; select 1/0"])
def test_a_failed_transaction_takes_no_statement_and_no_commit(engine: Engine, statement: str) -> None:
    with engine.connect() as connection:
        for failing, code in ((statement, None), ("select 1", "25P02")):
            with pytest.raises(exc.ProgrammingError) as caught:
                connection.exec_driver_sql(failing)
            assert code in {None, sqlstate(caught.value.orig)}
        with pytest.raises(exc.InterfaceError, match="in failed transaction block"):
            connection.commit()
        connection.rollback()
        assert connection.execute(text("select 1")).scalar() == 1


def test_a_begin_that_fails_takes_its_statement_with_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, engine.connect() as connection:
        patch.setattr(pipelined, "_BEGIN", pipelined._BEGIN.replace(b"transaction", b"transfusion"))
        for rows in (1, 2):
            with pytest.raises(exc.ProgrammingError) as caught:
                connection.execute(ADD, [{"id": row, "note": "no"} for row in range(rows)])
            assert sqlstate(caught.value.orig) == "42601"
            connection.rollback()
    with engine.connect() as connection:
        assert connection.execute(text("select count(*) from pipelined_rows")).scalar() == 0


def test_a_constraint_that_fails_at_commit_is_an_integrity_error(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("insert into pipelined_deferred values (:id), (:id)"), {"id": 1})
        with pytest.raises(exc.IntegrityError) as caught:
            connection.commit()
        assert sqlstate(caught.value.orig) == "23505"
    with engine.connect() as connection:
        assert connection.execute(text("select * from pipelined_deferred")).all() == []


@pytest.mark.parametrize("ping", [False, True])
def test_a_session_ended_by_the_server_is_a_disconnect(pg8000_url: str, engine: Engine, ping: bool) -> None:  # noqa: FBT001  # a parameter
    with an_engine(pg8000_url, pool_size=1, pool_pre_ping=ping) as victim:
        with victim.connect() as connection:
            pid = connection.execute(text("select pg_backend_pid()")).scalar()
        with engine.connect() as connection:
            assert connection.execute(text("select pg_terminate_backend(:p, 5000)"), {"p": pid}).scalar()
        if not ping:
            with pytest.raises(exc.InterfaceError) as caught:
                read_one(victim)
            assert caught.value.connection_invalidated
        read_one(victim)


def test_a_statement_cut_off_in_mid_reply_is_a_disconnect(engine: Engine) -> None:
    with engine.connect() as connection, pytest.raises(exc.InterfaceError) as caught:
        connection.execute(text("select pg_terminate_backend(pg_backend_pid())"))
    assert caught.value.connection_invalidated
    assert sqlstate(getattr(caught.value.orig, "__cause__", None)) == "57P01"
    read_one(engine)


def test_a_timeout_never_leaves_its_reply_to_the_next_statement(pg8000_url: str) -> None:
    with an_engine(pg8000_url, pool_size=1, connect_args={"timeout": 0.3}) as engine:
        with engine.connect() as connection, pytest.raises(exc.InterfaceError) as caught:
            connection.execute(text("select 1 from pg_sleep(0.6)"))
        assert caught.value.connection_invalidated
        with engine.connect() as connection:
            assert connection.execute(text("select 2")).scalar() == 2


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt])
def test_an_exception_in_mid_reply_closes_the_connection(
    pg8000_url: str, interruption: type[BaseException]
) -> None:
    def interrupt(_text: str) -> None:
        raise interruption

    connection = dbapi(pipelined, pg8000_url)
    connection.register_in_adapter(legacy.INTEGER, interrupt)
    with pytest.raises(interruption):
        connection.cursor().execute("select %s::int", (1,))
    for use in (connection.commit, connection.rollback, lambda: connection.cursor().execute("select 2")):
        with pytest.raises(legacy.InterfaceError, match="connection is closed"):
            use()
    connection.close()


def test_an_unreachable_server_is_an_interface_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        with pytest.raises(legacy.InterfaceError, match="network error"):
            pipelined.connect("user", host, port=port, ssl_context=False, timeout=0.1)


VALUES: dict[str, list[object]] = {
    "int8": [42, -(2**62), None],
    "bool": [True, False],
    "float8": [1.5, float("-inf")],
    "numeric": [Decimal("12.340")],
    "text": ["Grüße \U0001f411 'quoted' \\ %s", ""],
    "text[]": [["a", 'b"c', "d,e", None], []],
    "bytea": [bytes(range(256))],
    "uuid[]": [[UUID(int=1)]],
    "jsonb": [{"a": [1, None, "ä"]}],
    "timestamptz[]": [[datetime(2026, 1, 2, tzinfo=UTC)]],
    "timestamptz": [datetime(2026, 7, 2, 3, 4, 5, 678900, UTC), datetime(2026, 1, 2, tzinfo=UTC), "infinity"],
    "timestamp": ["2026-01-02 03:04:05.6", "-infinity", "12026-01-01 00:00:00"],
    "date": [date(2026, 2, 28), "12026-01-01", "0044-03-15 BC"],
    "time": [time(1, 2, 3, 4)],
    "interval": [timedelta(days=3, seconds=5)],
    "inet": [ip_address("2001:db8::1")],
    "int4range": ["[1,5)"],
    "pipelined_mood": ["fine"],
}


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "Europe/Amsterdam"])
def test_values_arrive_as_through_pg8000(pg8000_url: str, zone: str) -> None:
    def answers(module: object) -> list[object]:
        with closing(dbapi(module, pg8000_url)) as connection:
            cursor = connection.cursor()
            cursor.execute("create type pipelined_mood as enum ('fine')")
            cursor.execute(f"set local time zone '{zone}'")
            rows = []
            for kind, value in ((kind, value) for kind, values in VALUES.items() for value in values):
                cursor.execute(f"select %s::{kind} as v, 100 %% 7", (value,))
                rows.append((cursor.description, cursor.fetchone(), cursor.rowcount))
            connection.rollback()
            # Without the oids: that of a type made in the transaction is another each time.
            return [([column[0] for column in described], *rest) for described, *rest in rows]

    assert answers(pipelined) == answers(legacy)


def test_a_zone_offset_with_seconds_is_read(cursor: Any) -> None:  # pg8000 ships no types
    cursor.execute("set local time zone 'Europe/Amsterdam'")
    cursor.execute("select timestamptz '1880-06-01 12:00:00+00'")
    assert cursor.fetchone() == [datetime(1880, 6, 1, 12, tzinfo=UTC)]


def test_input_sizes_are_honoured_once(cursor: Any) -> None:  # pg8000 ships no types
    cursor.setinputsizes(legacy.INTEGER)
    assert cursor.execute("select pg_typeof(%s)::text", ("1",)).fetchone() == ["integer"]
    assert cursor.execute("select pg_typeof(%s::text)::text", ("1",)).fetchone() == ["text"]


def test_large_rows_and_long_statements_arrive_whole(engine: Engine) -> None:
    many = " + ".join(["%s::int"] * 3000)
    with engine.connect() as connection:
        assert len(connection.execute(text("select repeat('x', 3000000)")).scalar() or "") == 3_000_000
        assert len(connection.execute(text("select generate_series(1, 20000)")).all()) == 20_000
        assert connection.exec_driver_sql(f"select {many}", (2,) * 3000).scalar() == 6000


def test_a_copy_streams_both_ways_and_survives_every_refusal(cursor: Any) -> None:  # pg8000 ships no types
    out = BytesIO()
    cursor.execute("copy pipelined_rows from stdin", stream=BytesIO(b"1\ta\n2\tb\n"))
    cursor.execute("copy pipelined_rows to stdout", stream=out)
    assert out.getvalue() == b"1\ta\n2\tb\n"
    cursor.execute("commit")
    for options, line in {"(freeze)": b"3\tc\n", "(nonsense)": b"3\tc\n", "": b"no number\tc\n"}.items():
        with pytest.raises(legacy.ProgrammingError):
            cursor.execute(f"copy pipelined_rows from stdin {options}", stream=BytesIO(line))
        cursor.execute("rollback")
        assert cursor.execute("select count(*) from pipelined_rows").fetchall() == ([2],)


def test_notifications_and_notices_are_kept(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("listen pipelined_news")
        connection.exec_driver_sql("do $$ begin raise notice 'hear'; end $$")
        connection.execute(text("select pg_notify('pipelined_news', :what)"), {"what": "hello"})
        connection.commit()
        driver: Any = connection.connection.driver_connection
        assert [note[1:] for note in driver.notifications] == [("pipelined_news", "hello")]
        assert driver.notices[-1][b"M"] == b"hear"


def test_isolation_levels_and_access_modes_hold(engine: Engine) -> None:
    options = {"postgresql_readonly": True, "postgresql_deferrable": True}
    with engine.connect().execution_options(isolation_level="SERIALIZABLE", **options) as connection:
        for setting, value in (("isolation", "serializable"), ("read_only", "on"), ("deferrable", "on")):
            assert connection.execute(text(f"show transaction_{setting}")).scalar() == value
    with engine.connect() as connection:
        assert connection.execute(text("show transaction_isolation")).scalar() == "read committed"


@pytest.mark.parametrize("ping", [False, True])
def test_autocommit_commits_each_statement(pg8000_url: str, ping: bool) -> None:  # noqa: FBT001  # a parameter
    with an_engine(pg8000_url, pool_pre_ping=ping, pool_size=1) as engine:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(ADD, [{"id": 1, "note": "one"}, {"id": 2, "note": "two"}])
        with engine.connect() as connection:
            assert connection.execute(READ, {"id": 1}).scalar() == "one"


def test_savepoints_server_side_cursors_and_two_phase_transactions_work(engine: Engine) -> None:
    with engine.begin() as connection:
        with connection.begin_nested() as savepoint:
            connection.execute(ADD, {"id": 1, "note": "undone"})
            savepoint.rollback()
        streamed = connection.execution_options(yield_per=10).execute(text("select generate_series(1, 35)"))
        assert sum(streamed.scalars()) == 630
    with engine.connect() as connection:
        transaction = connection.begin_twophase()
        connection.execute(ADD, {"id": 1, "note": "kept"})
        transaction.commit()
        assert connection.execute(READ, {"id": 1}).scalar() == "kept"


def test_parallel_transactions_each_read_their_own_value(pg8000_url: str) -> None:
    def work(engine: Engine, worker: int) -> None:
        for row in range(worker * 1000, worker * 1000 + 100):
            with engine.begin() as connection:
                connection.execute(ADD, {"id": row, "note": f"of {row}"})
                assert connection.execute(READ, {"id": row}).scalar() == f"of {row}"

    with an_engine(pg8000_url, pool_size=4, max_overflow=0) as engine, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda worker: work(engine, worker), range(8)))
        with engine.connect() as connection:
            assert connection.execute(text("select count(*) from pipelined_rows")).scalar() == 800
