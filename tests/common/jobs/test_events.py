import json
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from common.database import dispose_engines
from common.jobs import JobContext, Tasks
from tests.common.jobs.aws import Queue, SetEnvironment
from tests.common.jobs.recording import Jobs, make_tasks
from tests.common.jobs.wake_ups import as_event, as_record

TICK = {"source": "aws.events", "detail-type": "Scheduled Event"}


class Context:
    """A Lambda context with this many seconds left."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return round(self._seconds * 1000)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no json",
        "null",
        "[]",
        '"text"',
        "{}",
        '{"job_id": 7}',
        '{"job_id": null}',
        '{"job_id": "x"}',
        "\x00",
    ],
)
def test_a_malformed_message_is_dropped_and_the_others_are_handled(jobs: Jobs, body: str) -> None:
    job_id = jobs.enqueue()
    event = {"Records": [as_record(body), *as_event(job_id)["Records"]]}
    assert make_tasks().handler(event) == {"batchItemFailures": []}
    assert jobs.effects(job_id) == [1]


def test_an_unknown_a_finished_and_a_foreign_job_are_successes(jobs: Jobs) -> None:
    finished, foreign = jobs.enqueue(), jobs.enqueue(function="users")
    make_tasks().handler(as_event(finished))
    assert make_tasks().handler(as_event(uuid4(), finished, foreign)) == {"batchItemFailures": []}
    assert jobs.effects(finished) == [1]
    assert jobs.row(foreign).state == "queued"


def test_messages_are_delivered_again_when_the_database_is_down(
    jobs: Jobs, set_environment: SetEnvironment, database_url: str
) -> None:
    event = as_event(jobs.enqueue(), jobs.enqueue())
    dispose_engines()
    set_environment(DATABASE_URL="postgresql+pg8000://nobody:secret@127.0.0.1:1/none")
    failed = make_tasks().handler(event)
    assert [item["itemIdentifier"] for item in failed["batchItemFailures"]] == [
        record["messageId"] for record in event["Records"]
    ]
    assert make_tasks().handler(TICK) == {"batchItemFailures": []}
    dispose_engines()
    set_environment(DATABASE_URL=database_url)
    assert make_tasks().handler(event) == {"batchItemFailures": []}


def test_only_the_messages_that_failed_are_delivered_again(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = make_tasks()
    ids = [jobs.enqueue() for _ in range(3)]
    whole: Any = tasks.run_one

    def run_one(job_id: Any = None) -> Any:
        if job_id == ids[1]:
            raise RuntimeError("a fault of ours")
        return whole(job_id)

    monkeypatch.setattr(tasks, "run_one", run_one)
    event = as_event(*ids)
    failed = {"itemIdentifier": event["Records"][1]["messageId"]}
    assert tasks.handler(event) == {"batchItemFailures": [failed]}
    assert [jobs.row(job_id).state for job_id in ids] == ["done", "queued", "done"]


def test_messages_for_which_no_time_is_left_are_delivered_again(jobs: Jobs) -> None:
    event = as_event(jobs.enqueue(), jobs.enqueue())
    answer = make_tasks().handler(event, Context(-1))
    assert len(answer["batchItemFailures"]) == 2
    assert make_tasks().handler(event, Context(30)) == {"batchItemFailures": []}


def test_a_tick_runs_the_sweeps_and_what_is_due(jobs: Jobs) -> None:
    tasks, swept = make_tasks(), []
    ids = [jobs.enqueue() for _ in range(3)]

    @tasks.every(seconds=3600)
    def broken() -> None:
        raise RuntimeError

    @tasks.every(seconds=3600)
    def sweep() -> None:
        swept.append(1)

    for _ in range(2):
        assert tasks.handler(TICK, Context(30)) == {"batchItemFailures": []}
    assert swept == [1], "once an hour"
    assert [jobs.effects(job_id) for job_id in ids] == [[1], [1], [1]]


def test_a_tick_begins_nothing_when_its_time_is_over(jobs: Jobs, queue: Queue) -> None:
    job_id = jobs.enqueue()
    queue.receive()
    jobs.change(job_id, "announced_at = null")
    make_tasks().handler(TICK, Context(-1))
    assert jobs.effects(job_id) == []
    assert json.loads(queue.receive()[0]["body"])["job_id"] == str(job_id)


def test_a_tick_leaves_the_jobs_of_others_and_of_newer_releases_alone(jobs: Jobs) -> None:
    foreign, newer = jobs.enqueue(function="users"), jobs.enqueue("task_of_tomorrow")
    make_tasks().handler(TICK)
    assert jobs.row(foreign).state == jobs.row(newer).state == "queued"


def test_a_function_without_tasks_runs_nothing(jobs: Jobs) -> None:
    job_id = jobs.enqueue()
    assert Tasks("worker").handler(as_event(job_id)) == {"batchItemFailures": []}
    assert jobs.row(job_id).state == "queued"


def test_an_event_of_another_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="neither"):
        Tasks("worker").handler({"source": "aws.s3"})


def test_a_task_has_one_name() -> None:
    tasks = make_tasks()
    with pytest.raises(ValueError, match="record"):
        tasks.task("record")


def test_a_task_works_as_the_functions_own_role(jobs: Jobs) -> None:
    tasks, seen = Tasks("worker"), []

    @tasks.task("look")
    def look(job: JobContext) -> None:
        seen.append(job.transaction(lambda session: session.scalar(text("select current_user"))))

    tasks.handler(as_event(jobs.enqueue("look")))
    assert seen == ["lambkin_worker"]
