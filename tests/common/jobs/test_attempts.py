import json
import threading
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from common import metrics
from common.database.transactions import Database
from common.errors import Conflict
from common.jobs import JobContext, LeaseLost, Permanent, RetryLater, Tasks, list_dead, rerun
from common.jobs.attempts import backoff
from tests.common.jobs.aws import Queue, SetEnvironment
from tests.common.jobs.recording import Jobs, make_tasks, write_effect
from tests.common.jobs.wake_ups import as_event
from tests.support.waiting import eventually


def tasks_that_raise(error: Exception) -> Tasks:
    tasks = Tasks("worker")

    @tasks.task("fail")
    def fail(_: JobContext) -> None:
        raise error

    return tasks


def due_now(jobs: Jobs, job_id: UUID) -> None:
    jobs.change(job_id, "run_at = now()")


def test_a_job_runs_with_its_payload_and_its_secret(jobs: Jobs) -> None:
    tasks, seen = Tasks("worker"), []

    @tasks.task("look")
    def look(job: JobContext) -> None:
        seen.append((job.id, job.payload, job.secret, job.attempt))

    job_id = jobs.enqueue("look", payload={"a": 1}, secret={"token": "t0ken"})
    tasks.handler(as_event(job_id))
    assert seen == [(job_id, {"a": 1}, {"token": "t0ken"}, 1)]
    row = jobs.row(job_id)
    assert (row.state, row.finished, row.secret) == ("done", True, None)


def test_a_failure_is_tried_again_later_and_later(jobs: Jobs) -> None:
    tasks = tasks_that_raise(RuntimeError("no luck"))
    job_id = jobs.enqueue("fail")
    for attempt, least in ((1, 5), (2, 10), (3, 20)):
        due_now(jobs, job_id)
        assert tasks.handler(as_event(job_id)) == {"batchItemFailures": []}
        row = jobs.row(job_id)
        assert (row.state, row.attempts, row.last_error) == ("queued", attempt, "RuntimeError: no luck")
        assert timedelta(seconds=least - 1) <= row.waits <= timedelta(seconds=2 * least)


def test_backoff_doubles_with_jitter_up_to_an_hour() -> None:
    for attempt, longest in ((1, 10), (2, 20), (5, 160), (9, 2560), (10, 3600), (5000, 3600)):
        waits = {backoff(attempt).total_seconds() for _ in range(50)}
        assert longest / 2 <= min(waits) <= max(waits) <= longest
        assert len(waits) > 40


def test_a_job_is_not_run_before_its_next_attempt_is_due(jobs: Jobs) -> None:
    tasks = tasks_that_raise(RuntimeError())
    job_id = jobs.enqueue("fail")
    for _ in range(3):
        tasks.handler(as_event(job_id))
    assert jobs.row(job_id).attempts == 1


def test_the_next_attempt_is_announced_for_its_time(jobs: Jobs, queue: Queue) -> None:
    tasks = tasks_that_raise(RetryLater(1))
    tasks.handler(as_event(jobs.enqueue("fail")))
    assert len(queue.receive()) == 1, "of the job itself"
    assert len(queue.receive()) == 1, "of its second attempt"


def test_after_its_last_attempt_a_job_is_dead_and_can_be_run_again(jobs: Jobs) -> None:
    job_id = jobs.enqueue("fail", max_attempts=2, secret={"token": "t0ken-of-ada"})
    tasks = tasks_that_raise(RuntimeError("t0ken-of-ada is refused"))
    for _ in range(2):
        due_now(jobs, job_id)
        tasks.handler(as_event(job_id))
    [dead] = jobs.owner.transaction(list_dead)
    assert (dead.id, dead.task, dead.attempts) == (job_id, "fail", 2)
    assert dead.last_error == "RuntimeError: [redacted] is refused"

    tasks.handler(as_event(job_id))
    assert jobs.row(job_id).attempts == 2, "a dead job is left alone"

    healed, seen = Tasks("worker"), []

    @healed.task("fail")
    def look(job: JobContext) -> None:
        seen.append((job.secret, job.attempt))

    assert Database("users").transaction(lambda session: rerun(session, job_id))
    healed.handler(as_event(job_id))
    assert seen == [({"token": "t0ken-of-ada"}, 1)]
    assert jobs.row(job_id).state == "done"
    assert jobs.owner.transaction(list_dead) == []


def test_rerunning_announces_the_job(jobs: Jobs, queue: Queue) -> None:
    job_id = jobs.enqueue("fail", max_attempts=1)
    tasks_that_raise(RuntimeError()).handler({"Records": queue.receive()})
    assert Database("users").transaction(lambda session: rerun(session, job_id))
    assert json.loads(queue.receive()[0]["body"])["job_id"] == str(job_id)


def test_only_a_dead_job_is_run_again(jobs: Jobs) -> None:
    job_id = jobs.enqueue()
    assert not jobs.owner.transaction(lambda session: rerun(session, job_id))
    assert not jobs.owner.transaction(lambda session: rerun(session, uuid4()))


def test_dead_jobs_are_listed_by_function_the_latest_first(jobs: Jobs) -> None:
    tasks = tasks_that_raise(Permanent())
    ids = [jobs.enqueue("fail") for _ in range(3)]
    for job_id in ids:
        tasks.handler(as_event(job_id))
    listed = jobs.owner.transaction(lambda session: list_dead(session, "worker", limit=2))
    assert [dead.id for dead in listed] == [ids[2], ids[1]]
    assert jobs.owner.transaction(lambda session: list_dead(session, "users")) == []


def test_a_permanent_failure_is_dead_at_once(jobs: Jobs) -> None:
    job_id = jobs.enqueue("fail")
    tasks_that_raise(Permanent("no such address")).handler(as_event(job_id))
    row = jobs.row(job_id)
    assert (row.state, row.attempts, row.last_error) == ("dead", 1, "Permanent: no such address")


def test_a_task_chooses_when_to_try_again(jobs: Jobs) -> None:
    job_id = jobs.enqueue("fail")
    tasks_that_raise(RetryLater(1800, "the model loads")).handler(as_event(job_id))
    row = jobs.row(job_id)
    assert row.last_error == "RetryLater: the model loads"
    assert timedelta(seconds=1790) < row.waits <= timedelta(seconds=1800)


def test_a_secret_that_cannot_be_opened_any_more_is_dead_at_once(
    jobs: Jobs, set_environment: SetEnvironment
) -> None:
    job_id = jobs.enqueue(secret={"token": "t0ken"})
    set_environment(ENCRYPTION_KEYS="other:" + "A" * 43)
    make_tasks().handler(as_event(job_id))
    row = jobs.row(job_id)
    assert row.state == "dead"
    assert (row.last_error or "").startswith("DecryptionFailed: no key named")


def test_what_a_failed_finish_wrote_is_rolled_back(jobs: Jobs) -> None:
    tasks = Tasks("worker")

    @tasks.task("fail")
    def fail(job: JobContext) -> None:
        def work(session: Session) -> None:
            write_effect(session, job)
            refusal = Conflict()
            refusal.keep = True
            raise refusal

        job.finish_with(work)

    job_id = jobs.enqueue("fail")
    tasks.handler(as_event(job_id))
    assert jobs.effects(job_id) == []
    assert jobs.row(job_id).state == "queued"


def test_an_error_after_the_finish_does_not_undo_it(jobs: Jobs) -> None:
    tasks = Tasks("worker")

    @tasks.task("fail")
    def fail(job: JobContext) -> None:
        job.finish_with(lambda session: write_effect(session, job))
        raise RuntimeError

    job_id = jobs.enqueue("fail")
    tasks.handler(as_event(job_id))
    assert jobs.row(job_id).state == "done"
    assert jobs.effects(job_id) == [1]


def test_a_handler_that_lost_its_lease_cannot_finish_the_job(jobs: Jobs) -> None:
    slow, errors = Tasks("worker"), []

    @slow.task("record", timeout_seconds=0.05)
    def record(job: JobContext) -> None:
        eventually(lambda: make_tasks().run_one(job.id))
        with pytest.raises(LeaseLost):
            job.extend()
        with pytest.raises(LeaseLost) as caught:
            job.finish_with(lambda session: write_effect(session, job))
        errors.append(caught.value)
        raise caught.value

    job_id = jobs.enqueue()
    assert slow.handler(as_event(job_id)) == {"batchItemFailures": []}
    assert len(errors) == 1
    assert jobs.effects(job_id) == [2]
    assert jobs.row(job_id).state == "done"


def test_a_handler_that_lost_its_lease_cannot_postpone_or_bury_the_job(jobs: Jobs) -> None:
    for error in (RuntimeError(), Permanent()):
        slow = Tasks("worker")

        @slow.task("record", timeout_seconds=0.05)
        def record(job: JobContext, error: Exception = error) -> None:
            eventually(lambda: make_tasks().run_one(job.id))
            raise error

        job_id = jobs.enqueue()
        slow.handler(as_event(job_id))
        assert jobs.row(job_id).state == "done"


def test_a_stale_handler_cannot_finish_a_job_that_was_run_again(jobs: Jobs) -> None:
    stale = Tasks("worker")

    @stale.task("record", timeout_seconds=0.05)
    def record(job: JobContext) -> None:
        def buried() -> bool:
            stale.tend()
            return jobs.row(job.id).state == "dead"

        eventually(buried)
        assert jobs.owner.transaction(lambda session: rerun(session, job.id))
        jobs.change(job.id, "state = 'running', attempts = 1, locked_until = now() + interval '1 minute'")
        job.finish_with(lambda session: write_effect(session, job))

    job_id = jobs.enqueue(max_attempts=1)
    stale.handler(as_event(job_id))
    assert jobs.effects(job_id) == []
    assert jobs.row(job_id).state == "running"


def test_a_long_task_extends_its_lease(jobs: Jobs) -> None:
    tasks = Tasks("worker")

    @tasks.task("record", timeout_seconds=0.05)
    def record(job: JobContext) -> None:
        job.extend(60)
        end = text("select now() > created_at + interval '0.1 seconds' from jobs where id = :id")
        eventually(lambda: job.transaction(lambda session: session.scalar(end, {"id": str(job.id)})))
        assert make_tasks().run_one(job.id) is None
        job.finish_with(lambda session: write_effect(session, job))

    job_id = jobs.enqueue()
    tasks.handler(as_event(job_id))
    assert jobs.effects(job_id) == [1]


def test_a_job_that_is_under_way_is_left_to_its_handler(jobs: Jobs) -> None:
    tasks, begun, go_on = Tasks("worker"), threading.Event(), threading.Event()

    @tasks.task("record")
    def record(job: JobContext) -> None:
        begun.set()
        assert go_on.wait(10)
        job.finish_with(lambda session: write_effect(session, job))

    job_id = jobs.enqueue()
    first = threading.Thread(target=tasks.handler, args=(as_event(job_id),))
    first.start()
    assert begun.wait(10)
    assert tasks.handler(as_event(job_id)) == {"batchItemFailures": []}
    go_on.set()
    first.join(10)
    assert jobs.effects(job_id) == [1]


def test_a_message_delivered_twice_at_the_same_moment_does_its_work_once(jobs: Jobs) -> None:
    tasks = make_tasks()
    for _ in range(8):
        job_id = jobs.enqueue()
        together = threading.Barrier(2)

        def handle(job_id: UUID = job_id, together: threading.Barrier = together) -> None:
            together.wait(10)
            tasks.handler(as_event(job_id, job_id))

        threads = [threading.Thread(target=handle) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert jobs.effects(job_id) == [1]


def test_each_end_is_counted(jobs: Jobs) -> None:
    jobs.enqueue()
    make_tasks().run_one()
    jobs.enqueue("fail")
    tasks_that_raise(RuntimeError()).run_one()
    rendered = metrics.render()
    assert 'lambkin_jobs_total{function="worker",task="record",outcome="done"}' in rendered
    assert 'lambkin_jobs_total{function="worker",task="fail",outcome="retried"}' in rendered


def test_a_job_writes_one_line_with_its_requests_id_and_no_secret(
    jobs: Jobs, capsys: pytest.CaptureFixture[str], set_environment: SetEnvironment
) -> None:
    set_environment(LOG_FORMAT="json")
    job_id = jobs.enqueue("fail", secret={"link": "https://lambkin.example/?token=0123456789abcdef"})
    jobs.change(job_id, "request_id = 'request-of-ada'")
    told = RuntimeError("token=0123456789abcdef for ada@lambkin.example is refused")
    capsys.readouterr()
    tasks_that_raise(told).handler(as_event(job_id))
    [line] = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"event": "job"' in line]
    assert line["request_id"] == "request-of-ada"
    assert (line["function"], line["task"], line["outcome"], line["attempt"]) == (
        "worker",
        "fail",
        "retried",
        1,
    )
    assert line["error"] == "RuntimeError: token=[redacted] for [redacted] is refused"
    assert any("fail" in place for place in line["trace"])


def test_a_database_error_is_kept_without_its_values(jobs: Jobs) -> None:
    tasks = Tasks("worker")

    @tasks.task("fail")
    def fail(job: JobContext) -> None:
        job.transaction(
            lambda session: session.execute(text("select cast(:v as integer)"), {"v": "plain-value"})
        )

    job_id = jobs.enqueue("fail")
    tasks.handler(as_event(job_id))
    kept = jobs.row(job_id).last_error or ""
    assert "22P02" in kept
    assert "plain-value" not in kept
