"""The registry of encrypted columns names every place where a ciphertext is stored."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, LargeBinary, Text, text
from sqlalchemy.orm import Session

from common.encrypted_columns import ENCRYPTED, EXPORT_PART, JOB_SECRET, EncryptedColumn
from common.encryption import encrypt, key_names
from common.ids import new_id
from common.jobs import enqueue
from common.models import Base
from tests.support.world import World

every_column = pytest.mark.parametrize("column", ENCRYPTED, ids=str)


def _holding_ciphertexts(connection: Connection) -> Iterator[str]:
    """The columns of any type in which a text stands that begins as a ciphertext does."""
    pattern = rf"\m({'|'.join(key_names())})\.[A-Za-z0-9_-]{{38,}}"
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            shown = f"encode({column.name}, 'escape')"
            if not isinstance(column.type, LargeBinary):
                shown = f"cast({column.name} as text)"
            found = text(f"select exists (select from {table.name} where {shown} ~ :pattern)")
            if connection.execute(found, {"pattern": pattern}).scalar_one():
                yield f"{table.name}.{column.name}"


@every_column
def test_it_names_a_text_column_by_the_primary_key_of_its_table(column: EncryptedColumn) -> None:
    table = Base.metadata.tables[column.table]
    # Without a bound: a longer name of a key must not make a ciphertext too long for its column.
    assert isinstance(table.c[column.column].type, Text) or table.c[column.column].type.length is None  # type: ignore[attr-defined]  # a String's
    assert column.key == tuple(each.name for each in table.primary_key.columns)


def test_each_column_has_a_context_of_its_own() -> None:
    assert len({column.kind for column in ENCRYPTED}) == len(ENCRYPTED)
    assert EXPORT_PART.context("e", "auth") == "export:e:auth"
    with pytest.raises(ValueError, match="export_id, function"):
        EXPORT_PART.context("e")


@pytest.mark.parametrize("context", ["totp:1", "job", "", "jobs:1", ":job:1"])
def test_nothing_is_encrypted_for_a_column_that_it_does_not_name(context: str) -> None:
    with pytest.raises(ValueError, match="encrypted_columns"):
        encrypt(b"a seed", context)


def test_no_other_column_holds_ciphertexts(world: World) -> None:
    world.person()
    with Session(world.engine) as session, session.begin():
        enqueue(session, "worker", "nothing", secret={"a": 1})
    with world.engine.connect() as connection:
        found = set(_holding_ciphertexts(connection))
    assert found >= {"signing_secrets.ciphertext", "jobs.secret"}
    assert found <= {str(column) for column in ENCRYPTED}


@pytest.mark.parametrize("column", ["jobs.payload", "users.name", "one_time_tokens.digest"])
def test_the_search_for_ciphertexts_finds_one_anywhere(world: World, column: str) -> None:
    user = world.account()
    ciphertext = encrypt(b"", JOB_SECRET.context(new_id()))
    with world.engine.connect() as connection:
        if column == "jobs.payload":
            statement = "insert into jobs (id, function, task, payload) values (:id, 'x', 'x', :value)"
            ciphertext = json.dumps({"a": [ciphertext]})
        elif column == "users.name":
            statement = "update users set name = :value where id = :id"
        else:
            statement = (
                "insert into one_time_tokens (digest, user_id, purpose, expires_at) "
                "values (cast(:value as bytea), :id, 'verify_email', now())"
            )
        connection.execute(text(statement), {"id": user.id, "value": ciphertext})
        assert column in set(_holding_ciphertexts(connection))
        connection.rollback()
