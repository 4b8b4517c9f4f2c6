"""One database role a function, with exactly the rights that the ownership map gives it."""

import hashlib
import hmac
import os
import random
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError

from common.database.faults import sqlstate
from common.database.roles import role_name, role_password
from common.models.ownership import FUNCTIONS, OWNERSHIP, Ownership
from migrations.connections import explain
from migrations.errors import RolesRefused

SCHEMA: Final = "public"
PRIVILEGES: Final = ("select", "insert", "update", "delete")

_ITERATIONS: Final = 4096
_PATIENCE_SECONDS: Final = 10.0
_INSUFFICIENT_PRIVILEGE: Final = "42501"
# Roles belong to the cluster, and two of its databases may migrate at a time: "tuple concurrently updated"
# and its kin. An advisory lock would not help, as it belongs to one database.
_RACES: Final = frozenset({"XX000", "23505", "42710", "40001", "40P01"})

_EXISTING: Final = text("""
    select role.rolname,
        me.rolsuper or (me.rolcreaterole and (
            current_setting('server_version_num')::int < 160000
            or pg_has_role(me.oid, role.oid, 'member with admin option'))) as alterable
    from pg_roles role cross join pg_roles me
    where me.rolname = current_user and role.rolname = any(:names)
""")
_MAY_CREATE: Final = text("select rolsuper or rolcreaterole from pg_roles where rolname = current_user")
_COLUMNS: Final = text("""
    select relname, array_agg(attname::text) as columns
    from pg_class join pg_attribute on attrelid = pg_class.oid
    where relnamespace = cast(:schema as regnamespace) and relkind in ('r', 'p')
      and attnum > 0 and not attisdropped and pg_has_role(current_user, relowner, 'usage')
    group by relname
    order by relname
""")


def _quote(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))


def apply(connection: Connection, owner: URL) -> None:
    """Create the roles, set their passwords, and converge the grants. Raises RolesRefused."""
    _require_password(owner)
    _apply_roles(connection, owner)
    apply_grants(connection)


def apply_grants(connection: Connection) -> None:
    """Grant what the map says on the tables that exist, and revoke all else. The roles exist already.

    One transaction: running functions see no moment without their rights. Raises RolesRefused.
    """
    with _grants_refused(connection), connection.begin():
        database = str(connection.scalar(text("select current_database()")))
        rows = connection.execute(_COLUMNS, {"schema": SCHEMA})
        columns = {row.relname: row.columns for row in rows}
        connection.exec_driver_sql(";\n".join(_grant_statements(database, columns)))


def script(owner: URL) -> str:
    """The SQL that makes the roles, for an administrator where the owner may make none.

    It is safe to repeat, and holds the passwords as SCRAM verifiers only.
    """
    _require_password(owner)
    return "".join(f"{_create(name)};\n{_alter(owner, name)};\n" for name in FUNCTIONS)


def _require_password(owner: URL) -> None:
    if not owner.password:
        raise RolesRefused(
            "DATABASE_URL holds no password, from which the passwords of the functions' roles are derived."
        )


def _apply_roles(connection: Connection, owner: URL) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            with connection.begin():
                statements = _role_statements(connection, owner)
                if statements:
                    connection.exec_driver_sql(";\n".join(statements))
        except DBAPIError as error:
            if sqlstate(error) not in _RACES or time.monotonic() > deadline:
                raise RolesRefused(f"The functions' roles cannot be made: {explain(error)}.") from error
            time.sleep(random.uniform(0, 0.1))  # noqa: S311 - no secret
        else:
            return


def _role_statements(connection: Connection, owner: URL) -> list[str]:
    names = [role_name(function) for function in FUNCTIONS]
    alterable = {row.rolname: row.alterable for row in connection.execute(_EXISTING, {"names": names})}
    missing = [name for name in names if name not in alterable]
    if missing and not connection.scalar(_MAY_CREATE):
        raise RolesRefused(
            f"{owner.username} may not create the roles {', '.join(missing)}: let a superuser run the output "
            f"of `lambkin migrate roles --sql`, or `alter role {owner.username} createrole`."
        )
    # A role that is not ours to alter is as an administrator made it, its password included.
    return [
        statement
        for function, name in zip(FUNCTIONS, names, strict=True)
        if alterable.get(name, True)
        for statement in (_create(function), _alter(owner, function))
    ]


def _create(function: str) -> str:
    attributes = "noinherit nosuperuser nocreatedb nocreaterole noreplication nobypassrls"
    return (
        f"do $$ begin create role {_quote(role_name(function))} {attributes}; "
        "exception when duplicate_object or unique_violation then null; end $$"
    )


def _alter(owner: URL, function: str) -> str:
    # What CREATE ROLE has set is not repeated: to name an attribute, the owner would have to have it.
    verifier = _scram_verifier(role_password(owner, function))
    return f"alter role {_quote(role_name(function))} with login noinherit password '{verifier}'"


def _scram_verifier(password: str) -> str:
    """What Postgres stores for a password (RFC 5803), so that it never sees and never logs the password."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return "SCRAM-SHA-256${}:{}${}:{}".format(_ITERATIONS, *encoded)


def _grant_statements(database: str, columns: Mapping[str, Sequence[str]]) -> Iterator[str]:
    roles = ", ".join(_quote(role_name(function)) for function in FUNCTIONS)
    yield f"revoke create, temporary on database {_quote(database)} from public"
    yield f"grant connect on database {_quote(database)} to {roles}"
    yield f"revoke all on schema {SCHEMA} from public, {roles}"
    yield f"grant usage on schema {SCHEMA} to {roles}"
    if columns:
        tables = ", ".join(_quoted_table(table) for table in columns)
        yield f"revoke all on {tables} from public, {roles}"
    for table, ownership in OWNERSHIP.items():
        if table in columns:
            yield from _table_grants(table, ownership, columns[table])


def _table_grants(table: str, ownership: Ownership, columns: Sequence[str]) -> Iterator[str]:
    wanted: dict[str, frozenset[str]] = {privilege: getattr(ownership, privilege) for privilege in PRIVILEGES}
    readable = [_quote(column) for column in ownership.sweep_columns if column in columns]
    wanted["delete"] |= ownership.sweep
    if readable:
        wanted[f"select ({', '.join(readable)})"] = ownership.sweep
    for part in ownership.columns:
        names = ", ".join(_quote(name) for name in part.names if name in columns)
        if names:
            wanted[f"{part.privilege} ({names})"] = part.functions
    for privilege, functions in wanted.items():
        if functions:
            roles = ", ".join(_quote(role_name(function)) for function in sorted(functions))
            yield f"grant {privilege} on {_quoted_table(table)} to {roles}"


def _quoted_table(table: str) -> str:
    return f"{SCHEMA}.{_quote(table)}"


@contextmanager
def _grants_refused(connection: Connection) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if sqlstate(error) != _INSUFFICIENT_PRIVILEGE:
            raise
        owner, database = connection.engine.url.username, connection.engine.url.database
        raise RolesRefused(
            f"{owner} may not grant the functions their rights ({explain(error)}): "
            f"let a superuser run `alter database {database} owner to {owner}`."
        ) from error
