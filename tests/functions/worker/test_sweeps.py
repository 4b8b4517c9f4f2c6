from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from common.database import get_database
from common.database.transactions import Database
from functions.worker import service
from functions.worker.jobs import handler, tasks

USER = "01890a5d-ac96-774b-bcce-b302099a8057"
ROWS = {
    "idempotency_keys": (
        "(digest, fingerprint, locked_until, expires_at)"
        " select decode(md5(n::text), 'hex'), '', now(), {when}"
    ),
    "rate_limits": (
        "(digest, spent, updated_at, expires_at) select decode(md5(n::text), 'hex'), 1, now(), {when}"
    ),
    "one_time_tokens": (
        "(digest, user_id, purpose, expires_at)"
        f" select decode(md5(n::text), 'hex'), '{USER}', 'verify_email', {{when}}"
    ),
    "sessions": (
        "(id, user_id, client_address, user_agent, expires_at)"
        f" select md5(n::text)::uuid, '{USER}', '', '', {{when}}"
    ),
    "refresh_tokens": (
        "(digest, session_id, expires_at)"
        " select decode(md5(n::text), 'hex'), (select id from sessions limit 1), {when}"
    ),
}


def run(owner: Database, statement: str) -> Any:
    return owner.transaction(lambda session: session.execute(text(statement)))


def count(owner: Database, table: str) -> int:
    return int(owner.transaction(lambda session: session.scalar(text(f"select count(*) from {table}"))))


def fill(owner: Database, table: str, numbers: str, when: str) -> None:
    run(owner, f"insert into {table} {ROWS[table].format(when=when)} from generate_series({numbers}) n")


@pytest.fixture
def filled(owner: Database) -> Database:
    run(owner, f"insert into users (id, email) values ('{USER}', 'ada@lambkin.example')")
    for table in ROWS:
        fill(owner, table, "1, 2", "now() + interval '1 hour'")
    return owner


@pytest.mark.parametrize("table", ["idempotency_keys", "rate_limits", "one_time_tokens", "refresh_tokens"])
def test_what_has_expired_goes_and_the_rest_stays(filled: Database, table: str) -> None:
    fill(filled, table, "3, 7", "now() - interval '1 second'")
    service.sweep_expired(get_database("worker"))
    assert {name: count(filled, name) for name in ROWS} == dict.fromkeys(ROWS, 2)


def test_sessions_stay_for_a_month_after_their_end(filled: Database) -> None:
    fill(filled, "sessions", "3, 5", "now() - interval '29 days'")
    fill(filled, "sessions", "6, 9", "now() - interval '31 days'")
    service.sweep_expired(get_database("worker"))
    assert count(filled, "sessions") == 5


def test_done_jobs_stay_for_a_week_and_dead_ones_for_ninety_days(owner: Database) -> None:
    for state, days in (("done", 6), ("done", 8), ("dead", 89), ("dead", 91)):
        run(
            owner,
            "insert into jobs (id, function, task, state, finished_at) values"
            f" (gen_random_uuid(), 'worker', '{state} {days}', '{state}', now() - interval '{days} days')",
        )
    run(
        owner,
        "insert into jobs (id, function, task, created_at)"
        " values (gen_random_uuid(), 'users', 'queued', '-infinity')",
    )
    service.sweep_expired(get_database("worker"))
    left = owner.transaction(lambda session: set(session.scalars(text("select task from jobs")).all()))
    assert left == {"done 6", "dead 89", "queued"}


def test_a_sweep_deletes_in_batches_and_leaves_the_rest_to_the_next(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "BATCH", 10)
    monkeypatch.setattr(service, "MOST_BATCHES", 2)
    fill(filled, "rate_limits", "101, 135", "now() - interval '1 minute' * n")
    for left in (15, 0, 0):
        service.sweep_expired(get_database("worker"))
        assert count(filled, "rate_limits") == 2 + left


def test_the_schedule_sweeps(filled: Database) -> None:
    fill(filled, "rate_limits", "3, 7", "now() - interval '1 second'")
    for sweep in tasks.sweeps:
        sweep.due = 0.0
    assert handler({"source": "aws.events"}) == {"batchItemFailures": []}
    assert count(filled, "rate_limits") == 2


@pytest.mark.parametrize("table", ["one_time_tokens", "refresh_tokens", "sessions"])
def test_the_worker_cannot_read_what_it_sweeps(filled: Database, table: str) -> None:
    assert count(filled, table) == 2
    with pytest.raises(DBAPIError, match="permission denied"):
        run(get_database("worker"), f"select * from {table}")
