"""What the ownership map gives, each role may do; what the map withholds, Postgres refuses."""

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pg8000.native
import pytest
from sqlalchemy import make_url

from common.database.roles import role_name
from common.models.ownership import FUNCTIONS, OWNERSHIP
from migrations import roles, runner
from migrations.errors import RolesRefused
from tests.migrations.conftest import Connect, url_of
from tests.support.postgres import connect

REFUSED = "42501"
NEVER_GRANTED = ("truncate", "references", "trigger")


def _may(function: str, table: str, privilege: str) -> bool:
    ownership = OWNERSHIP[table]
    granted: frozenset[str] = getattr(ownership, privilege)
    return function in granted or (privilege == "delete" and function in ownership.sweep)


def _statement(table: str, privilege: str, column: str) -> str:
    return {
        "select": f"select * from {table} limit 0",
        "insert": f"insert into {table} default values",
        "update": f"update {table} set {column} = null where false",
        "delete": f"delete from {table} where false",
    }[privilege]


def _is_refused(connection: pg8000.native.Connection, statement: str) -> bool:
    connection.run("begin")
    try:
        connection.run(statement)
    except pg8000.native.DatabaseError as error:
        return bool(error.args[0]["C"] == REFUSED)
    finally:
        connection.run("rollback")
    return False


@pytest.fixture
def owner(database_url: str, connection_to: Connect) -> pg8000.native.Connection:
    return connection_to(database_url)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_catalogue_grants_a_role_what_the_map_says_and_nothing_else(
    function: str, owner: pg8000.native.Connection
) -> None:
    asked = "select has_table_privilege(:role, :relation, :privilege)"
    for table, privilege in product(OWNERSHIP, (*roles.PRIVILEGES, *NEVER_GRANTED)):
        [[granted]] = owner.run(asked, role=role_name(function), relation=table, privilege=privilege)
        wanted = privilege not in NEVER_GRANTED and _may(function, table, privilege)
        assert granted is wanted, (table, privilege)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_catalogue_grants_a_role_only_the_columns_of_the_map(
    function: str, owner: pg8000.native.Connection
) -> None:
    columns = owner.run("""
        select table_name::text, column_name::text from information_schema.columns
        where table_schema = 'public'
    """)
    asked = "select has_column_privilege(:role, :relation, :column, :privilege)"
    for (table, column), privilege in product(columns, ("select", "insert", "update", "references")):
        [[granted]] = owner.run(
            asked, role=role_name(function), relation=table, column=column, privilege=privilege
        )
        ownership = OWNERSHIP[table]
        swept = privilege == "select" and function in ownership.sweep and column in ownership.sweep_columns
        part = any(
            privilege == each.privilege and function in each.functions and column in each.names
            for each in ownership.columns
        )
        wanted = privilege != "references" and (_may(function, table, privilege) or swept or part)
        assert granted is wanted, (table, column, privilege)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_is_refused_every_statement_that_the_map_withholds(
    function: str, database_url: str, owner: pg8000.native.Connection, connection_to: Connect
) -> None:
    connection = connection_to(url_of(function, database_url))
    assert connection.run("select current_user::text") == [[role_name(function)]]
    for table, privilege in product(OWNERSHIP, roles.PRIVILEGES):
        [[column]] = owner.run(
            "select attname::text from pg_attribute where attrelid = to_regclass(:table) and attnum = 1",
            table=table,
        )
        refused = _is_refused(connection, _statement(table, privilege, column))
        assert refused is not _may(function, table, privilege), (table, privilege)
        assert _is_refused(connection, f"truncate {table}")


def test_a_sweep_sees_when_rows_expire_and_nothing_else(database_url: str, connection_to: Connect) -> None:
    swept = [
        (function, table, ownership)
        for table, ownership in OWNERSHIP.items()
        for function in ownership.sweep - ownership.select
    ]
    assert swept
    for function, table, ownership in swept:
        connection = connection_to(url_of(function, database_url))
        readable = ", ".join(ownership.sweep_columns)
        delete = f"delete from {table} where ({readable}) is null"
        assert not _is_refused(connection, delete)
        assert not _is_refused(connection, f"{delete} returning {readable}")
        assert _is_refused(connection, f"{delete} returning *")


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    "statement",
    [
        "create table mine (id int)",
        "create temporary table mine (id int)",
        "create schema mine",
        "create role mine",
        "create extension citext",
        "alter table users add column mine int",
        "drop table rate_limits",
        "copy (select 1) to program 'true'",
    ],
)
def test_a_role_makes_and_changes_no_objects(
    function: str, statement: str, database_url: str, connection_to: Connect
) -> None:
    assert _is_refused(connection_to(url_of(function, database_url)), statement)


def test_roles_have_no_attribute_but_login(owner: pg8000.native.Connection) -> None:
    found = owner.run(
        """
        select rolname::text, rolcanlogin, rolsuper or rolinherit or rolcreaterole or rolcreatedb
            or rolreplication or rolbypassrls
        from pg_roles where rolname = any(:names) order by 1
        """,
        names=[role_name(function) for function in FUNCTIONS],
    )
    assert found == [[role_name(function), True, False] for function in sorted(FUNCTIONS)]


def test_rights_that_the_map_does_not_give_disappear(
    fresh_database_url: Callable[..., str], connection_to: Connect
) -> None:
    url = fresh_database_url(migrated=True)
    owner = connection_to(url)
    users = connection_to(url_of("users", url))
    for grant in (
        "grant all on passwords to lambkin_users",
        "grant select (hash) on passwords to lambkin_users",
        "grant select on signing_secrets to public",
        "grant create, usage on schema public to public",
        f"grant temporary on database {make_url(url).database} to public",
        "revoke select on users from lambkin_users",
    ):
        owner.run(grant)
    assert not _is_refused(users, "select hash from passwords, signing_secrets")
    runner.apply_roles(url)
    assert _is_refused(users, "select hash from passwords")
    assert _is_refused(users, "select 1 from signing_secrets")
    assert _is_refused(users, "create table mine (id int)")
    assert _is_refused(users, "create temporary table mine (id int)")
    assert not _is_refused(users, "select * from users")


def _apply_often(url: str) -> None:
    for _ in range(5):
        runner.apply_roles(url)


def test_running_functions_see_no_moment_without_their_rights(
    fresh_database_url: Callable[..., str], connection_to: Connect
) -> None:
    url = fresh_database_url(migrated=True)
    users = connection_to(url_of("users", url))
    with ThreadPoolExecutor(1) as threads:
        applying = threads.submit(_apply_often, url)
        while not applying.done():
            users.run("select * from users")
        applying.result()


@pytest.fixture
def missing_function(monkeypatch: pytest.MonkeyPatch) -> str:
    """The map's only function, which no cluster has a role for."""
    function = f"missing_{secrets.token_hex(4)}"
    monkeypatch.setattr(roles, "FUNCTIONS", (function,))
    monkeypatch.setattr(roles, "OWNERSHIP", {})
    return function


@pytest.fixture
def plain_owner(database_url: str, missing_function: str) -> Iterator[str]:
    """The URL of a database whose owner may create no role."""
    name = f"plain_{secrets.token_hex(4)}"
    url = make_url(database_url).set(username=name, password="made-up")
    with connect(make_url(database_url)) as administrator:
        administrator.run(f"create role {name} login createdb password 'made-up'")
    with connect(url) as owner:
        owner.run(f"create database {name}")
    yield url.set(database=name).render_as_string(hide_password=False)
    with connect(url) as owner:
        owner.run(f"drop database {name} with (force)")
    with connect(make_url(database_url)) as administrator:
        administrator.run(f"drop role if exists {role_name(missing_function)}")
        administrator.run(f"drop role {name}")


def test_an_owner_without_the_right_to_create_roles_is_told_what_to_run(
    plain_owner: str, missing_function: str, owner: pg8000.native.Connection, connection_to: Connect
) -> None:
    with pytest.raises(RolesRefused, match=rf"{role_name(missing_function)}.*`lambkin migrate roles --sql`"):
        runner.upgrade(plain_owner)
    script = roles.script(make_url(plain_owner))
    url = make_url(url_of(missing_function, plain_owner))
    assert str(url.password) not in script
    for _ in range(2):
        owner.execute_simple(script)
    runner.upgrade(plain_owner)
    assert connection_to(url_of(missing_function, plain_owner)).run("select 1") == [[1]]


def test_an_owner_without_a_password_gets_no_roles_as_theirs_could_be_guessed() -> None:
    with pytest.raises(RolesRefused, match="no password"):
        roles.script(make_url("postgresql+pg8000://lambkin@127.0.0.1/lambkin"))
