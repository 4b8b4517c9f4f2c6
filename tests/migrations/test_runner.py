import re
from collections.abc import Callable

import pytest
from sqlalchemy import create_engine, make_url

from common.models import Base
from common.models.revision import HEAD
from common.settings import get_settings
from migrations import connections, handler, runner
from migrations.errors import DatabaseUnreachable, MigrationError, MigrationFailed, UnknownRevision
from tests.migrations.conftest import Connect, WriteRevision

_COLUMNS = """
    select attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull,
        pg_get_expr(adbin, adrelid)
    from pg_attribute join pg_class on pg_class.oid = attrelid
        left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where relnamespace = 'public'::regnamespace and relkind = 'r' and attnum > 0 and not attisdropped
    order by 1, 2
"""
_CONSTRAINTS = """
    select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
    where connamespace = 'public'::regnamespace and contype <> 'n' order by 1, 2
"""
_INDEXES = "select indexname, indexdef from pg_indexes where schemaname = 'public' order by 1"
_TABLES = """
    select relname, relpersistence::text from pg_class
    where relnamespace = 'public'::regnamespace and relkind = 'r' order by 1
"""


def test_the_workers_database_is_at_the_head_and_settings_name_it(database_url: str) -> None:
    assert runner.status(database_url).pending == []
    assert get_settings().database_url == database_url


def test_the_layers_head_is_that_of_the_migrations() -> None:
    assert runner.head_revision() == HEAD


def test_up_down_and_up_again(fresh_database_url: Callable[[], str], connection_to: Connect) -> None:
    url = fresh_database_url()
    assert runner.status(url).current is None
    assert runner.status(url).pending[-1].id == HEAD
    tables: list[object] = []
    for move, target in ((runner.upgrade, "head"), (runner.downgrade, "base"), (runner.upgrade, "head")):
        move(url, target)
        tables.append(connection_to(url).run(_TABLES))
    assert tables[0] == tables[2]
    assert tables[1] == [["alembic_version", "p"]]
    assert runner.status(url) == runner.MigrationStatus(HEAD, HEAD, [])


def test_upgrading_what_is_at_the_head_changes_nothing(database_url: str) -> None:
    runner.upgrade(database_url)
    assert runner.status(database_url).current == HEAD


def test_models_and_migrations_do_not_drift_apart(database_url: str) -> None:
    runner.check(database_url)


def test_the_migrations_make_what_the_models_say_to_the_last_check_and_default(
    fresh_database_url: Callable[..., str], connection_to: Connect
) -> None:
    migrated, made = fresh_database_url(migrated=True), fresh_database_url()
    for extension in ("btree_gin", "pg_trgm"):
        connection_to(made).run(f"create extension {extension}")
    engine = create_engine(made)
    Base.metadata.create_all(engine)
    engine.dispose()
    connection_to(migrated).run("drop table alembic_version")
    for catalogue in (_TABLES, _COLUMNS, _CONSTRAINTS, _INDEXES):
        assert connection_to(migrated).run(catalogue) == connection_to(made).run(catalogue)


def test_drift_is_named(fresh_database_url: Callable[..., str], connection_to: Connect) -> None:
    url = fresh_database_url(migrated=True)
    connection_to(url).run("alter table users drop column locale")
    with pytest.raises(MigrationError, match="locale"):
        runner.check(url)


def test_a_revision_that_fails_is_rolled_back_and_the_ones_before_it_stay(
    fresh_database_url: Callable[[], str], connection_to: Connect, write_revision: WriteRevision
) -> None:
    url = fresh_database_url()
    write_revision("0901", "op.create_table('first', sa.Column('id', sa.BigInteger()))")
    write_revision("0902", "op.create_table('second', sa.Column('id', sa.Text()))\nop.execute('select 1/0')")
    with pytest.raises(MigrationFailed, match=r"^Revision 0902 failed .* at 0901: division by zero\.$"):
        runner.upgrade(url)
    assert [revision.id for revision in runner.status(url).pending] == ["0902"]
    assert connection_to(url).run("select to_regclass('first')::text, to_regclass('second')") == [
        ["first", None]
    ]


def test_a_migration_gives_up_a_table_that_others_hold(
    fresh_database_url: Callable[..., str],
    connection_to: Connect,
    write_revision: WriteRevision,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = fresh_database_url(migrated=True)
    write_revision("0901", "op.execute('alter table users add column nickname text')")
    other = connection_to(url)
    other.run("begin")
    other.run("lock table users in access share mode")
    monkeypatch.setattr(connections, "LOCK_SECONDS", 0.1)
    with pytest.raises(MigrationFailed, match=r"0901 failed .* others held a lock"):
        runner.upgrade(url)
    other.run("rollback")
    runner.upgrade(url)


def test_a_database_ahead_of_the_code_is_refused(
    fresh_database_url: Callable[..., str], connection_to: Connect
) -> None:
    url = fresh_database_url(migrated=True)
    connection_to(url).run("update alembic_version set version_num = '9999'")
    for action in (runner.upgrade, runner.status):
        with pytest.raises(UnknownRevision, match="revision 9999, which this code does not have"):
            action(url)


def test_an_unknown_target_is_refused(database_url: str) -> None:
    with pytest.raises(MigrationError, match="0077"):
        runner.upgrade(database_url, "0077")


def test_a_refused_or_absent_server_is_named_without_its_password(database_url: str) -> None:
    wrong = make_url(database_url).set(password="open-sesame").render_as_string(hide_password=False)
    with pytest.raises(DatabaseUnreachable, match=r"^Cannot connect to postgresql") as refused:
        runner.upgrade(wrong)
    assert "open-sesame" not in str(refused.value)
    with pytest.raises(DatabaseUnreachable):
        runner.status("postgresql+pg8000://lambkin:x@127.0.0.1:1/lambkin")


def test_a_functions_role_cannot_migrate() -> None:
    with pytest.raises(MigrationError, match="lambkin_auth, a function's role"):
        runner.upgrade("postgresql+pg8000://lambkin_auth:x@127.0.0.1:1/lambkin")


def test_the_sql_is_whole_and_carries_its_timeouts(
    fresh_database_url: Callable[[], str], connection_to: Connect
) -> None:
    url = fresh_database_url()
    sql = runner.sql()
    assert re.match(r"SET lock_timeout = '5s';\s+SET statement_timeout = '600s';", sql)
    connection = connection_to(url)
    # One by one, as psql does it: what is concurrent cannot run in the transaction of a batch.
    for statement in re.split(r";\s*$", sql, flags=re.MULTILINE):
        if statement.strip():
            connection.execute_simple(statement)
    assert runner.status(url).current == HEAD
    runner.check(url)
    assert "CREATE TABLE" not in runner.sql(f"{HEAD}:head")


def test_the_handler_migrates_and_tells_the_revision(
    fresh_database_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = fresh_database_url()
    monkeypatch.setenv("DATABASE_URL", url)
    get_settings.cache_clear()
    try:
        assert handler.handler({}, None) == {"revision": HEAD, "head": HEAD, "pending": []}
        assert runner.status(url).current == HEAD
        monkeypatch.setenv("DATABASE_URL", "postgresql+pg8000://lambkin:x@127.0.0.1:1/lambkin")
        get_settings.cache_clear()
        with pytest.raises(DatabaseUnreachable):
            handler.handler({}, None)
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()
