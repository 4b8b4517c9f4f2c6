"""Traces as a collector receives them: requests, statements, calls, and the jobs that were asked for."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from common import aws, tracing
from common.app import create_app
from common.database import Db, in_transaction
from common.jobs import JobContext, Tasks, enqueue
from common.jobs.queues import sender
from common.routing import Router
from functions.users.app import app as users
from functions.worker import jobs as worker
from tests.common.jobs.aws import Queue
from tests.common.jobs.recording import Jobs
from tests.common.jobs.wake_ups import as_event, as_record
from tests.support.fixtures import SettingsChange
from tests.support.receiving import OTLP_ANSWER, Traces, receiver
from tests.support.transports import AsgiTransport
from tests.support.world import World

STRANGER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Iterator[Traces]:
    """A collector, and this process sending to it."""
    with receiver(OTLP_ANSWER, "application/x-protobuf") as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        aws._clients.clear()
        tracing.start()
        yield Traces(received)
        tracing.stop()
        aws._clients.clear()


def client_of(app: Any) -> httpx.Client:
    return httpx.Client(transport=AsgiTransport(app), base_url="http://backend:8000")


def asking(function: str = "worker") -> Any:
    """An application whose one operation enqueues a job."""
    router = Router(prefix="/v1/worker", tags=["worker"])

    @router.post("/asks/{who}")
    def ask(who: str, db: Db) -> str:
        return str(enqueue(db, "worker", "look", {"who": who}))

    @router.get("/fails")
    async def fail() -> None:
        raise RuntimeError("of ada@lambkin.example")

    @router.get("/statement-fails")
    async def statement_fails() -> None:
        from sqlalchemy import text

        await in_transaction(lambda session: session.execute(text("select 1 / :n"), {"n": 0}))

    return create_app(function, summary="Tests.", router=router)


def test_a_request_is_one_span_named_after_its_route_with_its_statements_below(
    traces: Traces, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    person = world.person()
    capsys.readouterr()
    with client_of(users) as client:
        answer = client.get("/v1/users/me?token=s3cret", headers=person.headers)
    assert answer.status_code == 200
    [span] = traces.wait_for("GET /v1/users/me")
    assert (span.service, span.kind, span.parent_id, span.failed) == ("lambkin-users", "SERVER", "", False)
    assert span.attributes["http.route"] == "/v1/users/me"
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["lambkin.request_id"] == answer.headers["x-request-id"]
    assert span.resource["deployment.environment.name"] == "test"
    statements = [each for each in traces.wait_for("SELECT") if each.trace_id == span.trace_id]
    assert statements
    for statement in statements:
        assert (statement.kind, statement.parent_id) == ("CLIENT", span.span_id)
        assert statement.attributes["db.system.name"] == "postgresql"
    sent = str([(each.attributes, each.resource) for each in traces.spans()])
    for private in (str(person.id), "s3cret", "203.0.113.7", "@lambkin.example"):
        assert private not in sent
    [line] = [line for line in capsys.readouterr().out.splitlines() if '"event": "request"' in line]
    assert json.loads(line)["trace_id"] == span.trace_id


def test_what_fails_is_marked_with_its_class_and_not_its_message(traces: Traces, world: World) -> None:
    with client_of(asking()) as client:
        assert client.get("/v1/worker/fails").status_code == 500
        assert client.get("/v1/worker/statement-fails").status_code == 422
        assert client.get("/v1/worker/none").status_code == 404
    [span] = traces.wait_for("GET /v1/worker/fails")
    assert (span.failed, span.attributes["error.type"]) == (True, "500")
    assert not traces.wait_for("GET")[0].failed
    assert "http.route" not in traces.wait_for("GET")[0].attributes
    [refused] = [each for each in traces.wait_for("SELECT") if each.failed]
    assert refused.attributes["error.type"]
    assert "ada@" not in str([(each.attributes, each.name) for each in traces.spans()])


def test_a_stranger_s_trace_is_not_continued_and_a_trusted_proxy_s_is(
    traces: Traces, settings: SettingsChange, world: World
) -> None:
    for proxies in ("", "203.0.113.0/24"):
        settings(TRUSTED_PROXIES=proxies)
        with client_of(asking()) as client:
            client.post("/v1/worker/asks/ada", headers={"traceparent": STRANGER})
            client.post("/v1/worker/asks/eve", headers={"traceparent": "00-zz-11-01"})
    spans = traces.wait_for("POST /v1/worker/asks/{who}", 4)
    continued = [span for span in spans if span.trace_id == STRANGER.split("-")[1]]
    assert [span.parent_id for span in continued] == [STRANGER.split("-")[2]]


def test_what_a_proxy_does_not_keep_is_not_kept(
    traces: Traces, settings: SettingsChange, world: World
) -> None:
    settings(TRUSTED_PROXIES="203.0.113.0/24")
    with client_of(asking()) as client:
        client.post("/v1/worker/asks/ada", headers={"traceparent": STRANGER[:-2] + "00"})
        client.post("/v1/worker/asks/eve")
    [span] = traces.wait_for("POST /v1/worker/asks/{who}")
    assert span.trace_id != STRANGER.split("-")[1]


def test_who_only_asks_whether_we_are_well_is_not_traced(traces: Traces) -> None:
    with client_of(users) as client:
        client.get("/v1/users/livez")
        client.get("/v1/users/nothing-here")
    traces.wait_for("GET")
    assert len(traces.spans()) == 1


def tasks_that_look(seen: list[str]) -> Tasks:
    tasks = Tasks("worker")

    @tasks.task("look")
    def look(job: JobContext) -> None:
        seen.append(tracing.traceparent())
        job.finish_with(lambda session: enqueue(session, "users", "next"))

    return tasks


def test_a_job_is_in_the_trace_of_the_request_that_asked_for_it(
    traces: Traces, jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    with client_of(asking()) as client:
        client.post("/v1/worker/asks/ada")
    seen: list[str] = []
    capsys.readouterr()
    tasks_that_look(seen).run_one()
    [request] = traces.wait_for("POST /v1/worker/asks/{who}")
    [job] = traces.wait_for("job look")
    assert (job.kind, job.service, job.trace_id) == ("CONSUMER", "lambkin-worker", request.trace_id)
    assert job.parent_id == request.span_id
    assert seen[0].startswith(f"00-{job.trace_id}-{job.span_id}-0"), "what the task sends along"
    assert job.attributes["lambkin.job.attempt"] == 1
    [line] = [line for line in capsys.readouterr().out.splitlines() if '"event": "job"' in line]
    assert json.loads(line)["trace_id"] == request.trace_id


def test_a_message_carries_the_trace_and_the_job_is_linked_to_its_batch(
    traces: Traces, jobs: Jobs, queue: Queue
) -> None:
    from common.aws import aws_client

    with client_of(asking("users")) as client:
        client.post("/v1/worker/asks/ada")
    assert sender.flush(5)
    [message] = aws_client("sqs", timeout_seconds=5).receive_message(
        QueueUrl=queue.url, MessageAttributeNames=["All"], WaitTimeSeconds=1
    )["Messages"]
    [request] = traces.wait_for("POST /v1/worker/asks/{who}")
    carried = message["MessageAttributes"]["traceparent"]["StringValue"]
    assert carried.startswith(f"00-{request.trace_id}-{request.span_id}-0")
    record = as_record(message["Body"]) | {
        "messageAttributes": {"traceparent": {"stringValue": carried, "dataType": "String"}}
    }
    name = queue.url.rpartition("/")[2]
    [sending] = traces.wait_for(f"send {name}")
    assert (sending.kind, sending.trace_id) == ("PRODUCER", request.trace_id)
    [call] = traces.wait_for("SQS/SendMessageBatch")
    assert [each.service for each in (request, sending, call)] == ["lambkin-users"] * 3
    assert (call.parent_id, call.attributes["http.response.status_code"]) == (sending.span_id, 200)
    assert tasks_that_look([]).handler({"Records": [record]}) == {"batchItemFailures": []}
    [batch] = traces.wait_for(f"process {name}")
    assert (batch.kind, batch.links, batch.parent_id) == ("CONSUMER", [request.trace_id], "")
    [job] = traces.wait_for("job look")
    assert (job.trace_id, job.links) == (request.trace_id, [batch.trace_id])


def test_a_job_that_fails_says_so_and_one_of_nobody_begins_a_trace(traces: Traces, jobs: Jobs) -> None:
    tasks = Tasks("worker")

    @tasks.task("look")
    def look(_: JobContext) -> None:
        raise RuntimeError("of ada@lambkin.example")

    jobs.enqueue("look")
    tasks.run_one()
    [job] = traces.wait_for("job look")
    assert (job.failed, job.attributes["error.type"], job.parent_id) == (True, "RuntimeError", "")


def test_a_mail_by_smtp_is_a_span_of_its_job_and_names_no_address(
    traces: Traces, jobs: Jobs, settings: SettingsChange
) -> None:
    settings(MAIL_TRANSPORT="smtp", SMTP_URL="smtp://someone:s3cret@127.0.0.1:1")
    values = {"name": "Ada", "link": "https://lambkin.example/?token=s3cret", "hours": 24}
    mail = {"template": "verify_email", "to": "ada@lambkin.example", "values": values}
    worker.handler(as_event(jobs.enqueue("send_mail", secret=mail)))
    [job] = traces.wait_for("job send_mail")
    [call] = traces.wait_for("smtp send")
    assert (call.kind, call.parent_id, call.failed) == ("CLIENT", job.span_id, True)
    assert call.attributes == {"server.address": "127.0.0.1", "error.type": "ConnectionRefusedError"}
    sent = str([span.attributes for span in traces.spans()])
    assert "s3cret" not in sent
    assert "@" not in sent


def test_looking_for_jobs_makes_no_traces(traces: Traces, jobs: Jobs) -> None:
    tasks_that_look([]).run_one()
    tasks_that_look([]).tend()
    with client_of(users) as client:
        client.get("/v1/users/nothing-here")
    traces.wait_for("GET")
    assert len(traces.spans()) == 1


def test_while_traces_are_off_nothing_is_sent_along(jobs: Jobs, queue: Queue) -> None:
    jobs.enqueue("look")
    seen: list[str] = []
    tasks_that_look(seen).handler({"Records": queue.receive()})
    assert seen == [""]
