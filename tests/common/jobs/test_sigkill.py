from uuid import UUID

import pytest

from common.jobs import Tasks
from tests.common.jobs import crashing_handler
from tests.common.jobs.crashing_handler import POINTS
from tests.common.jobs.recording import Jobs, make_tasks
from tests.common.jobs.wake_ups import as_event
from tests.support.killed import kill_where_it_stops
from tests.support.waiting import eventually

COMMITTED = ("after the commit", "before the acknowledgement")


def deliver_until_done(tasks: Tasks, jobs: Jobs, job_id: UUID) -> None:
    def deliver_again() -> bool:
        assert tasks.handler(as_event(job_id)) == {"batchItemFailures": []}
        return jobs.row(job_id).state == "done"

    eventually(deliver_again)


@pytest.mark.parametrize("point", POINTS)
def test_a_job_survives_sigkill_of_its_handler_and_runs_to_its_end_once(jobs: Jobs, point: str) -> None:
    job_id = jobs.enqueue()
    kill_where_it_stops(crashing_handler.handle, point, str(job_id))

    committed = point in COMMITTED
    assert len(jobs.effects(job_id)) == committed
    assert (jobs.row(job_id).state == "done") == committed

    deliver_until_done(make_tasks(), jobs, job_id)
    make_tasks().handler(as_event(job_id))
    assert len(jobs.effects(job_id)) == 1


def test_the_schedule_finishes_what_a_killed_handler_left(jobs: Jobs) -> None:
    job_id = jobs.enqueue()
    kill_where_it_stops(crashing_handler.handle, "after the effect", str(job_id))
    tasks = make_tasks()

    def tick() -> bool:
        tasks.handler({"source": "aws.events"})
        return jobs.row(job_id).state == "done"

    eventually(tick)
    assert jobs.effects(job_id) == [2]


def test_a_job_that_kills_each_handler_is_dead_after_its_last_attempt(jobs: Jobs) -> None:
    job_id = jobs.enqueue(max_attempts=1)
    kill_where_it_stops(crashing_handler.handle, "in the task", str(job_id))
    tasks = make_tasks()

    def tick() -> bool:
        tasks.handler({"source": "aws.events"})
        return jobs.row(job_id).state == "dead"

    eventually(tick)
    assert jobs.effects(job_id) == []
    assert (jobs.row(job_id).last_error or "").startswith("LeaseExpired")
