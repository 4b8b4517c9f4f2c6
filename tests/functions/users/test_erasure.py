"""When the grace is over, each function erases what it keeps, and nothing of the person is left."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy.orm import Session

from common import accounts
from common.database import get_database
from common.functions import PERSONAL
from common.jobs import enqueue, rerun
from common.models import Base
from functions.auth import personal_data as of_auth
from functions.auth.repository import personal_data as kept_by_auth
from functions.users import erasure
from functions.users.repository import erasure as stored
from tests.functions.users.conftest import Bucket
from tests.functions.users.erasing import announce, furnish, is_whole_tombstone, left
from tests.functions.users.running import due_now, run_due, run_job
from tests.support.fixtures import SettingsChange
from tests.support.world import PASSWORD, Person, World


@pytest.fixture
def person(world: World) -> Person:
    return furnish(world)


def test_nothing_of_the_person_is_left_but_an_id(asgi: httpx.Client, world: World, person: Person) -> None:
    assert left(world, person).keys() >= {"passwords", "sessions", "api_keys", "pending_registrations"}
    announce(asgi, world, person)
    assert set(run_due(world, person.id)) == {"done"}
    assert left(world, person) == {}
    assert is_whole_tombstone(world, person)


def test_no_text_of_the_person_is_left_in_any_table(asgi: httpx.Client, world: World, person: Person) -> None:
    name = uuid4().hex
    world.run("update users set name = :name where id = :id", name=name.title(), id=person.id)

    def found() -> set[str]:
        return {
            table
            for table in Base.metadata.tables
            if world.scalar(
                f"select count(*) from {table} where position(:email in lower({table}::text)) > 0"
                f" or position(:name in lower({table}::text)) > 0",
                email=person.email,
                name=name,
            )
        }

    assert found() == {"users", "bulk_invitation_lines"}
    announce(asgi, world, person)
    run_due(world, person.id)
    assert found() == set()


def test_a_list_forgets_whom_it_invited_whatever_their_address_is_by_then(
    asgi: httpx.Client, world: World, person: Person
) -> None:
    list_id = uuid4()
    world.run("insert into bulk_invitations (id, created_by) values (:id, :by)", id=list_id, by=person.id)
    world.run(
        "insert into bulk_invitation_lines (bulk_invitation_id, line, email, user_id)"
        " values (:list, 1, 'former@lambkin.example', :id)",
        list=list_id,
        id=person.id,
    )
    announce(asgi, world, person)
    run_due(world, person.id)
    lines = "select count(*) from bulk_invitation_lines where email = 'former@lambkin.example'"
    assert world.scalar(lines) == 0


def test_other_people_keep_what_is_theirs(asgi: httpx.Client, world: World, person: Person) -> None:
    other = furnish(world)
    before = left(world, other)
    announce(asgi, world, person)
    run_due(world, person.id)
    assert left(world, other) == before
    assert asgi.get("/v1/users/me", headers=other.headers).status_code == 200
    grace = "select count(*) from bulk_invitation_lines where email = 'grace@lambkin.example'"
    assert world.scalar(grace) >= 1


def test_the_record_says_what_each_function_erased_and_how_much(
    asgi: httpx.Client, world: World, person: Person
) -> None:
    announce(asgi, world, person)
    run_due(world, person.id)
    [entry] = world.rows(
        "select actor_id, details from audit_log where subject_id = :id and action = 'account.erased'",
        id=person.id,
    )
    assert entry.actor_id == person.id, "who asked for it"
    assert entry.details == {
        "reports": {
            "auth": {
                "passwords": 1,
                "pending_registrations": 1,
                "one_time_tokens": 2,
                "refresh_tokens": 1,
                "sessions": 1,
                "api_keys": 1,
            },
            "users": {"invitation_lines": 1, "exports": 0},
            "files": {"files": 0, "uploads": 0, "storage_usage": 0},
            "ai": dict.fromkeys(
                ("conversations", "conversation_summaries", "ai_usage", "ai_reservations", "ai_quotas"), 0
            ),
        }
    }
    assert person.email not in json.dumps(entry.details)


def test_the_last_mail_says_goodbye(asgi: httpx.Client, world: World, person: Person) -> None:
    announce(asgi, world, person)
    run_due(world, person.id)
    assert [mail.template for mail in world.mails(person.email)] == ["deletion_requested", "account_erased"]


def test_the_address_can_be_registered_again_by_a_stranger_to_the_old_account(
    asgi: httpx.Client, world: World, person: Person
) -> None:
    announce(asgi, world, person)
    run_due(world, person.id)
    answer = asgi.post("/v1/auth/register", json={"email": person.email, "password": PASSWORD})
    assert answer.status_code == 202
    token = world.mails(person.email)[-1].token
    assert asgi.post("/v1/auth/verify-email", json={"token": token}).status_code == 200
    tokens = asgi.post("/v1/auth/login", json={"email": person.email, "password": PASSWORD}).json()
    again = asgi.get("/v1/users/me", headers={"Authorization": f"Bearer {tokens['access_token']}"}).json()
    assert again["email"] == person.email
    assert again["id"] != str(person.id)


def test_the_archives_leave_the_bucket(
    asgi: httpx.Client, world: World, person: Person, bucket: Bucket
) -> None:
    asgi.post("/v1/users/me/export", headers=person.headers)
    run_due(world, person.id)
    assert len(bucket.keys()) == 1
    announce(asgi, world, person)
    run_due(world, person.id)
    assert bucket.keys() == []
    assert left(world, person) == {}


def test_an_export_that_is_being_made_is_given_up(
    asgi: httpx.Client, world: World, person: Person, bucket: Bucket
) -> None:
    asgi.post("/v1/users/me/export", headers=person.headers)
    announce(asgi, world, person)
    assert set(run_due(world, person.id)) == {"done"}
    assert bucket.keys() == []
    assert is_whole_tombstone(world, person)


def test_without_the_bucket_the_account_waits_for_it(
    asgi: httpx.Client, world: World, person: Person, bucket: Bucket, settings: SettingsChange, moto_url: str
) -> None:
    asgi.post("/v1/users/me/export", headers=person.headers)
    run_due(world, person.id)
    announce(asgi, world, person)
    settings(AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert "retried" in run_due(world, person.id)
    assert world.scalar("select state from users where id = :id", id=person.id) == "deleting"
    settings(AWS_ENDPOINT_URL=moto_url)
    due_now(world, person.id)
    run_due(world, person.id)
    assert is_whole_tombstone(world, person)
    assert bucket.keys() == []


def test_whoever_has_very_much_is_erased_in_bounded_statements(
    asgi: httpx.Client, world: World, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "_BATCH", 10)
    monkeypatch.setattr(kept_by_auth, "_BATCH", 10)
    world.run(
        "insert into sessions (id, user_id, client_address, user_agent, expires_at)"
        " select gen_random_uuid(), :id, '', '', now() + interval '1 day' from generate_series(1, 34)",
        id=person.id,
    )
    world.run(
        "insert into refresh_tokens (digest, session_id, expires_at)"
        " select sha256(cast(id::text as bytea)), id, expires_at from sessions where user_id = :id",
        id=person.id,
    )
    announce(asgi, world, person)
    run_due(world, person.id)
    assert is_whole_tombstone(world, person)
    report = world.scalar(
        "select report from erasure_reports where user_id = :id and function = 'auth'", id=person.id
    )
    assert (report["sessions"], report["refresh_tokens"]) == (35, 36)


def _delivered_twice(world: World, person: Person) -> None:
    """Every job that has run is to run again."""
    world.run(
        "update jobs set state = 'queued', attempts = 0, finished_at = null, run_at = now()"
        " where state = 'done' and payload->>'user_id' = :id",
        id=str(person.id),
    )


def test_every_step_may_run_again(asgi: httpx.Client, world: World, person: Person) -> None:
    announce(asgi, world, person)
    run_due(world, person.id)
    for _ in range(2):
        _delivered_twice(world, person)
        assert set(run_due(world, person.id)) == {"done"}
    assert is_whole_tombstone(world, person)
    assert world.audit(person.id).count(("account.erased", "success")) == 1
    assert len(world.mails(person.email)) == 2
    assert world.scalar("select count(*) from erasure_reports where user_id = :id", id=person.id) == len(
        PERSONAL
    )


def test_a_function_that_reports_again_adds_nothing(asgi: httpx.Client, world: World, person: Person) -> None:
    begin_job = announce(asgi, world, person)
    run_job(begin_job, "users")
    job = _job(world, person, "erase_person", "auth")
    assert run_job(job, "auth") == "done"
    world.run("update jobs set state = 'queued', finished_at = null where id = :id", id=job)
    assert run_job(job, "auth") == "done"
    reports = world.rows("select report from erasure_reports where user_id = :id", id=person.id)
    assert [row.report["passwords"] for row in reports] == [1]


def test_all_steps_at_once_end_in_one_erasure(asgi: httpx.Client, world: World, person: Person) -> None:
    run_job(announce(asgi, world, person), "users")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: run_due(world, person.id), range(4)))
    run_due(world, person.id)
    assert is_whole_tombstone(world, person)
    assert world.audit(person.id).count(("account.erased", "success")) == 1
    assert len(world.mails(person.email)) == 2


def _job(world: World, person: Person, task: str, function: str) -> UUID:
    found: UUID = world.scalar(
        "select id from jobs where task = :task and function = :function and payload->>'user_id' = :id",
        task=task,
        function=function,
        id=str(person.id),
    )
    return found


@pytest.fixture
def failing_auth(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The erasure in `auth` fails half-way, each time."""
    erase = of_auth.erase

    def erase_and_fail(session: Session, user_id: UUID) -> dict[str, int]:
        erase(session, user_id)
        raise RuntimeError("half-way")

    with monkeypatch.context() as patched:
        patched.setattr(of_auth, "erase", erase_and_fail)
        yield patched


def test_a_function_that_cannot_erase_leaves_the_account_as_it_is_and_operators_are_told(
    asgi: httpx.Client,
    world: World,
    person: Person,
    failing_auth: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_job(announce(asgi, world, person), "users")
    job = _job(world, person, "erase_person", "auth")
    world.run("update jobs set max_attempts = 1 where id = :id", id=job)
    assert "dead" in run_due(world, person.id)
    assert world.scalar("select state from users where id = :id", id=person.id) == "deleting"
    # What failed half-way has erased nothing.
    assert left(world, person).keys() >= {"passwords", "sessions", "api_keys", "users"}

    world.run("update users set updated_at = now() - interval '2 hours' where id = :id", id=person.id)
    capsys.readouterr()
    erasure.look_after_overdue(get_database("users"))
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [line] = [line for line in told if line.get("user_id") == str(person.id)]
    assert (line["event"], line["level"], line["missing"]) == ("erasure_overdue", "error", ["auth"])

    failing_auth.undo()
    assert get_database("worker").transaction(lambda session: rerun(session, job))
    run_due(world, person.id)
    assert is_whole_tombstone(world, person)


def test_an_erasure_whose_job_was_lost_begins_an_hour_late(
    asgi: httpx.Client, world: World, person: Person
) -> None:
    job = announce(asgi, world, person)
    world.run("delete from jobs where id = :id", id=job)
    erasure.look_after_overdue(get_database("users"))
    assert run_due(world, person.id) == []
    world.run("update users set erase_at = now() - interval '61 minutes' where id = :id", id=person.id)
    erasure.look_after_overdue(get_database("users"))
    run_due(world, person.id)
    assert is_whole_tombstone(world, person)


def test_the_hourly_look_reads_no_account_that_is_active(world: World) -> None:
    with world.engine.begin() as connection:
        connection.exec_driver_sql("set local enable_seqscan = off")
        statement = stored.overdue_statement(timedelta(hours=1), 100)
        literal = statement.compile(connection, compile_kwargs={"literal_binds": True})
        plan = " ".join(row[0] for row in connection.exec_driver_sql(f"explain {literal}"))
    assert "ix_users_state_created_at_id" in plan


def test_a_job_of_an_account_that_is_not_being_erased_does_nothing(world: World) -> None:
    person = furnish(world)
    before = left(world, person)
    payload = {"user_id": str(person.id), "functions": list(PERSONAL)}

    def enqueue_all(session: Session) -> list[tuple[UUID, str]]:
        tasks = [("users", "erase_account"), ("users", "finish_erasure"), ("users", "erase_person")]
        return [
            (enqueue(session, name, task, payload), name) for name, task in [*tasks, ("auth", "erase_person")]
        ]

    for job, function in get_database("users").transaction(enqueue_all):
        assert run_job(job, function) == "done"
    assert left(world, person) == before
    assert world.scalar("select state from users where id = :id", id=person.id) == "active"


def test_what_was_never_there_is_no_error(world: World) -> None:
    payload = {"user_id": str(uuid4()), "functions": list(PERSONAL)}
    for function in PERSONAL:
        wanted = partial(enqueue, function=function, task="erase_person", payload=payload)
        assert run_job(get_database("users").transaction(wanted), function) == "done"
