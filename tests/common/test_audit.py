"""The audit log is append-only by grant: Postgres itself refuses all else to every function's role."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from common import audit
from common.database.engine import get_engine
from common.database.faults import sqlstate
from common.functions import FUNCTIONS
from tests.support.world import World

INSUFFICIENT_PRIVILEGE = "42501"
WRITERS = set(FUNCTIONS) - {"health"}

# Each alone would be enough to make something that was done undone.
FORBIDDEN = {
    "update": "update audit_log set action = 'nothing.happened'",
    "update of one column": "update audit_log set outcome = 'success'",
    "delete": "delete from audit_log",
    "truncate": "truncate audit_log",
    "upsert": (
        "insert into audit_log select * from audit_log "
        "on conflict (id) do update set action = excluded.action"
    ),
    "merge": "merge into audit_log using (select 1) as one on true when matched then delete",
    "lock": "lock table audit_log in access exclusive mode",
    "alter": "alter table audit_log add column forged text",
    "drop": "drop table audit_log",
    "trigger": (
        "create trigger forging before insert on audit_log for each row "
        "execute function suppress_redundant_updates_trigger()"
    ),
    "rule": "create rule forging as on insert to audit_log do instead nothing",
    "policy": "alter table audit_log disable row level security",
    "becoming its owner": "alter table audit_log owner to current_user",
}


def _refusal(function: str, statement: str) -> str:
    """The SQLSTATE with which Postgres refuses; empty where it does not."""
    with get_engine(function).connect() as connection:
        try:
            connection.execute(text(statement))
        except DBAPIError as error:
            return sqlstate(error)
        finally:
            connection.rollback()
    return ""


@pytest.mark.parametrize("how", FORBIDDEN)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_role_of_a_function_can_change_or_remove_an_entry(world: World, function: str, how: str) -> None:
    world.person()
    before = world.scalar("select count(*) from audit_log")
    assert _refusal(function, FORBIDDEN[how]) == INSUFFICIENT_PRIVILEGE
    assert world.scalar("select count(*) from audit_log") == before > 0


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("columns", ["*", "id", "count(*)"])
def test_the_role_of_users_alone_can_read_it(world: World, function: str, columns: str) -> None:
    refusal = _refusal(function, f"select {columns} from audit_log")
    assert refusal == ("" if function == "users" else INSUFFICIENT_PRIVILEGE)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_that_does_something_can_append(world: World, function: str) -> None:
    with Session(get_engine(function)) as session:
        if function in WRITERS:
            audit.record(session, "test.appended", subject_id=None)
        else:
            with pytest.raises(DBAPIError) as refused:
                audit.record(session, "test.appended", subject_id=None)
            assert sqlstate(refused.value) == INSUFFICIENT_PRIVILEGE
        session.rollback()


def test_an_entry_outlives_the_account_that_it_speaks_of(world: World) -> None:
    person = world.person()
    world.run("delete from users where id = :id", id=person.id)
    assert world.audit(person.id) == [("session.opened", "success")]
