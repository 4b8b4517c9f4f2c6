"""How full the pool is, who waits at the gate, and how far the jobs are behind."""

import asyncio
import threading

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from common.database import get_engine
from common.database.transactions import Database
from common.errors import Unavailable
from common.jobs import backlog
from tests.common.jobs.recording import Jobs
from tests.support.fixtures import SettingsChange
from tests.support.numbers import number
from tests.support.waiting import eventually


def test_the_pool_and_the_gate_tell_how_full_they_are(jobs: Jobs, settings: SettingsChange) -> None:
    settings(DATABASE_POOL_SIZE="1", DATABASE_WAIT_SECONDS="0.3")
    database, held, free = Database("worker"), threading.Event(), threading.Event()
    before = number("lambkin_gate_refusals_total", function="worker")
    waited = number("lambkin_gate_wait_seconds_count", function="worker")

    def hold(session: object) -> None:
        session.execute(text("select 1"))  # type: ignore[attr-defined]  # a Session
        held.set()
        free.wait(10)

    async def crowd() -> None:
        holder = asyncio.create_task(database.run(hold))
        await asyncio.to_thread(held.wait, 10)
        assert number("lambkin_database_pool_size", function="worker") == 1
        assert number("lambkin_database_connections_in_use", function="worker") == 1
        waiter = asyncio.create_task(database.run(hold))
        await asyncio.to_thread(eventually, lambda: number("lambkin_gate_waiting", function="worker") == 1)
        with pytest.raises(Unavailable):
            await waiter
        free.set()
        await holder

    asyncio.run(crowd())
    assert number("lambkin_gate_waiting", function="worker") == 0
    assert number("lambkin_database_connections_in_use", function="worker") == 0
    assert number("lambkin_gate_refusals_total", function="worker") == before + 1
    assert number("lambkin_gate_wait_seconds_count", function="worker") == waited + 1


def measured() -> tuple[float, float, float]:
    backlog.measure_backlog("worker")
    names = ("queue_age_seconds", "queue_depth", "dead_jobs")
    age, depth, dead = (number(f"lambkin_{name}", function="worker") for name in names)
    return age, depth, dead


def test_the_backlog_is_what_is_due_and_waits_and_what_is_dead(jobs: Jobs) -> None:
    assert measured() == (0, 0, 0)
    waiting, running, dead, done = (jobs.enqueue() for _ in range(4))
    jobs.enqueue(delay_seconds=600)
    jobs.enqueue(function="users")
    jobs.change(waiting, "run_at = now() - interval '90 seconds'")
    jobs.change(running, "state = 'running', run_at = now() - interval '1 hour', locked_until = now()")
    jobs.change(dead, "state = 'dead', finished_at = now()")
    jobs.change(done, "state = 'done', finished_at = now()")
    age, depth, buried = measured()
    assert 90 <= age < 100
    assert (depth, buried) == (1, 1)


def test_the_backlog_is_read_from_indexes(jobs: Jobs) -> None:
    statement = backlog.backlog("worker").compile(
        dialect=get_engine("").dialect, compile_kwargs={"literal_binds": True}
    )

    def explain(session: Session) -> str:
        # The test's table is nearly empty: the question is what can be used where it is not.
        session.execute(text("set local enable_seqscan = off"))
        return "\n".join(session.scalars(text(f"explain {statement}")))

    plan = jobs.owner.transaction(explain)
    assert ("ix_jobs_due" in plan, "ix_jobs_dead" in plan, "Seq Scan" in plan) == (True, True, False)
