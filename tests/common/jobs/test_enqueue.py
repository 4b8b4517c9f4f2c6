import json
import socket
import time
from collections.abc import Iterator, Sequence
from uuid import UUID

import pytest
from botocore.exceptions import BotoCoreError
from sqlalchemy import text
from sqlalchemy.orm import Session

from common.context import RequestContext, enter_context
from common.database.transactions import Database
from common.encryption import decrypt
from common.health import ProbeFailed
from common.jobs import enqueue, queues
from tests.common.jobs.aws import Queue, SetEnvironment
from tests.common.jobs.recording import Jobs, make_tasks
from tests.common.jobs.wake_ups import as_event
from tests.support.waiting import eventually

PATIENT = 5.0


@pytest.fixture(params=["refuses", "hangs"])
def queue_that_is_down(
    request: pytest.FixtureRequest, queue: Queue, set_environment: SetEnvironment
) -> Iterator[Queue]:
    with socket.create_server(("127.0.0.1", 0), backlog=8) as silent:
        address = silent.getsockname()
        if request.param == "refuses":
            silent.close()
        set_environment(AWS_ENDPOINT_URL=f"http://127.0.0.1:{address[1]}")
        yield queue
        queues.sender.flush(PATIENT)


def test_a_committed_job_sends_a_wake_up_that_names_it(jobs: Jobs, queue: Queue) -> None:
    job_id = jobs.enqueue(payload={"n": 1})
    [record] = queue.receive()
    assert json.loads(record["body"]) == {"job_id": str(job_id), "function": "worker"}


def test_a_transaction_that_is_rolled_back_leaves_no_job_and_no_message(jobs: Jobs, queue: Queue) -> None:
    def work(session: Session) -> None:
        enqueue(session, "worker", "record")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        Database("users").transaction(work)
    assert jobs.count() == 0
    assert queue.receive(wait=False) == []


def test_the_jobs_of_one_transaction_are_announced_in_one_call(
    jobs: Jobs,
    queue: Queue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[list[UUID]] = []

    def note(_function: str, wake_ups: Sequence[queues.WakeUp]) -> None:
        calls.append([wake_up.job_id for wake_up in wake_ups])

    monkeypatch.setattr(queues, "send", note)
    ids = Database("users").transaction(
        lambda session: [enqueue(session, "worker", "record") for _ in range(3)]
    )
    assert queues.sender.flush(PATIENT)
    assert calls == [ids]
    assert jobs.count() == 3


def test_a_server_does_not_wait_for_the_queue(jobs: Jobs, queue_that_is_down: Queue) -> None:
    jobs.enqueue()
    started = time.monotonic()
    for _ in range(5):
        jobs.enqueue()
    assert time.monotonic() - started < 0.9
    assert jobs.count() == 6


def test_lambda_waits_a_second_for_the_queue_and_no_longer(
    jobs: Jobs,
    queue_that_is_down: Queue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queues, "IN_LAMBDA", True)
    started = time.monotonic()
    jobs.enqueue()
    assert time.monotonic() - started < 1.9
    assert jobs.count() == 1


def test_in_lambda_the_message_is_sent_before_the_answer(
    jobs: Jobs, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "IN_LAMBDA", True)
    jobs.enqueue()
    monkeypatch.setattr(queues.Sender, "flush", lambda *_: True)
    assert len(queue.receive(wait=False)) == 1


def test_a_queue_that_was_down_loses_nothing(
    jobs: Jobs,
    queue: Queue,
    set_environment: SetEnvironment,
    moto_url: str,
) -> None:
    set_environment(AWS_ENDPOINT_URL="http://127.0.0.1:1")
    job_id = jobs.enqueue()
    assert queues.sender.flush(PATIENT)
    set_environment(AWS_ENDPOINT_URL=moto_url)
    assert queue.receive(wait=False) == []

    tasks = make_tasks()
    tasks.tend(announce=True)
    assert queue.receive(wait=False) == [], "its wake-up may still be on the way"
    jobs.change(job_id, "announced_at = now() - interval '2 minutes'")
    tasks.tend(announce=True)
    assert tasks.handler({"Records": queue.receive()}) == {"batchItemFailures": []}
    assert jobs.effects(job_id) == [1]

    tasks.tend(announce=True)
    assert queue.receive(wait=False) == []


def test_without_a_queue_nothing_is_sent(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "sender", None)
    assert jobs.row(jobs.enqueue()).state == "queued"


def test_a_delayed_job_is_announced_for_its_time_and_not_run_before(jobs: Jobs, queue: Queue) -> None:
    job_id = jobs.enqueue(delay_seconds=1.2)
    assert queue.receive(wait=False) == []
    tasks = make_tasks()
    tasks.handler(as_event(job_id))
    assert jobs.effects(job_id) == []
    tasks.handler({"Records": queue.receive()})
    assert jobs.effects(job_id) == [1]


def test_a_secret_is_not_readable_in_the_row_and_bound_to_it(jobs: Jobs) -> None:
    job_id = jobs.enqueue(secret={"to": "ada@lambkin.example", "token": "xyzzy-plugh"})
    row = jobs.owner.transaction(
        lambda session: str(
            session.execute(text("select * from jobs where id = :id"), {"id": str(job_id)}).one()
        )
    )
    assert "ada@" not in row
    assert "xyzzy" not in row
    assert json.loads(decrypt(jobs.row(job_id).secret or "", f"job:{job_id}"))["token"] == "xyzzy-plugh"


def test_a_job_for_a_function_that_there_is_not_is_refused(jobs: Jobs) -> None:
    with pytest.raises(ValueError, match="wroker"):
        jobs.enqueue(function="wroker")


def test_a_job_keeps_the_id_of_its_request(jobs: Jobs) -> None:
    enter_context(RequestContext(function="users", request_id="request-of-ada"))
    job_id = jobs.enqueue()
    found = text("select request_id from jobs where id = :id")
    assert (
        jobs.owner.transaction(lambda session: session.scalar(found, {"id": str(job_id)})) == "request-of-ada"
    )


def test_messages_beyond_the_room_are_lost_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr(queues, "_MOST_PENDING", 15)
    monkeypatch.setattr(queues, "send", lambda _, wake_ups: sent.append(len(wake_ups)))
    sender = queues.Sender()
    sender.offer([queues.WakeUp("worker", UUID(int=number)) for number in range(20)])
    assert sender.flush(PATIENT)
    assert sent == [10, 5]


def test_the_probe_tells_a_queue_that_is_missing(queue: Queue, set_environment: SetEnvironment) -> None:
    probe = queues.queue_probe("worker")
    probe.check()
    set_environment(QUEUE_PREFIX="elsewhere-")
    with pytest.raises(ProbeFailed, match="no queue elsewhere-worker"):
        probe.check()
    set_environment(QUEUES="false")
    probe.check()
    assert not probe.essential
    assert queue.url


def test_the_probe_of_a_silent_queue_ends_in_time(queue_that_is_down: Queue) -> None:
    started = time.monotonic()
    with pytest.raises(BotoCoreError):
        queues.queue_probe("worker").check()
    # Its own time is 1 s; what it must not be is the client's, which is a minute, and again.
    assert time.monotonic() - started < 20.0


def test_a_sender_that_failed_sends_again(
    jobs: Jobs, queue: Queue, set_environment: SetEnvironment, moto_url: str
) -> None:
    set_environment(AWS_ENDPOINT_URL="http://127.0.0.1:1")
    jobs.enqueue()
    assert queues.sender.flush(PATIENT)
    set_environment(AWS_ENDPOINT_URL=moto_url)
    job_id = jobs.enqueue()
    records = eventually(lambda: queue.receive(wait=False))
    assert [json.loads(record["body"])["job_id"] for record in records] == [str(job_id)]
