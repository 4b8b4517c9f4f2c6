"""What Sentry is told, as it receives it: faults of ours, and nothing of anybody."""

import json
import smtplib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from common.app import create_app
from common.database import Db
from common.error_reports import reporter
from common.errors import Conflict
from common.jobs import JobContext, Permanent, RetryLater, Tasks
from common.routing import Router
from tests.common.jobs.recording import Jobs
from tests.support.fixtures import SettingsChange
from tests.support.numbers import number
from tests.support.receiving import Received, events, receiver
from tests.support.transports import AsgiTransport
from tests.support.world import World

PRIVATE = ("ada@lambkin.example", "s3cret", "203.0.113.7", "Mozilla", "t0ken-of-ada", "plain-value")


@pytest.fixture
def sentry(settings: SettingsChange) -> Iterator[Received]:
    """Sentry, and this process telling it."""
    with receiver() as received:
        dsn = received.url.replace("http://", "http://0123456789abcdef@") + "/42"
        settings(SENTRY_DSN=dsn, RELEASE="1.2.3")
        yield received
        reporter.close()


def told(sentry: Received) -> list[dict[str, Any]]:
    reporter.flush()
    return events(sentry)


def failing() -> httpx.Client:
    router = Router(prefix="/v1/worker", tags=["worker"])

    @router.post("/fails/{who}")
    async def fail(who: str) -> None:
        raise RuntimeError(f"no room for {who}") from KeyError(f"cause {who}")

    @router.post("/refuses")
    async def refuse() -> None:
        raise Conflict

    @router.post("/wrong-statement")
    def wrong(db: Db) -> None:
        db.execute(text("select plain_value from nowhere where x = :x"), {"x": "plain-value"})

    app = create_app("worker", summary="Tests.", router=router)
    return httpx.Client(transport=AsgiTransport(app), base_url="http://backend:8000")


def test_a_fault_of_a_request_is_told_without_anything_of_anybody(sentry: Received, world: World) -> None:
    before = number("lambkin_unexpected_errors_total", function="worker", during="request")
    with failing() as client:
        answer = client.post(
            "/v1/worker/fails/ada@lambkin.example?q=s3cret",
            headers={"User-Agent": "Mozilla", "Cookie": "a=s3cret", "Authorization": "Bearer s3cret"},
            json={"password": "s3cret"},
        )
    [event] = told(sentry)
    cause, error = event["exception"]["values"]
    assert (error["type"], error["value"]) == ("RuntimeError", "no room for [redacted]")
    assert (cause["type"], cause["value"]) == ("KeyError", "'cause [redacted]'")
    assert error["stacktrace"]["frames"][-1]["function"] == "fail"
    assert event["transaction"] == "POST /v1/worker/fails/{who}"
    assert (event["release"], event["environment"], event["level"]) == ("1.2.3", "test", "error")
    assert event["tags"]["request_id"] == answer.headers["x-request-id"]
    assert (event["tags"]["function"], event["tags"]["during"]) == ("worker", "request")
    assert not {"user", "request", "breadcrumbs", "extra"} & event.keys()
    frames = [frame for each in (error,) for frame in each["stacktrace"]["frames"]]
    assert not [frame for frame in frames if "vars" in frame]
    # The source around a frame is this test's own.
    without_source = json.dumps(event | {"exception": [cause["value"], error["value"]]})
    assert [private for private in PRIVATE if private in without_source] == []
    assert number("lambkin_unexpected_errors_total", function="worker", during="request") == before + 1


def test_a_refusal_is_no_error_and_neither_is_a_database_that_is_away(sentry: Received, world: World) -> None:
    with failing() as client:
        assert client.post("/v1/worker/refuses").status_code == 409
        assert client.post("/v1/worker/none").status_code == 404
        assert client.post("/v1/worker/wrong-statement").status_code == 500
    [event] = told(sentry)
    assert event["transaction"] == "POST /v1/worker/wrong-statement"
    assert [each["value"] for each in event["exception"]["values"]] == ["", ""]


@pytest.mark.parametrize(
    ("raised", "attempts", "reports"),
    [
        (RuntimeError("t0ken-of-ada for ada@lambkin.example"), 8, 1),
        (Permanent("no such address"), 8, 0),
        (RetryLater(5), 8, 0),
        (RetryLater(5), 1, 0),
        (Conflict(), 8, 0),
        (smtplib.SMTPServerDisconnected("away"), 8, 0),
        (smtplib.SMTPServerDisconnected("away"), 1, 1),
        (ConnectionRefusedError(), 8, 0),
    ],
)
def test_of_jobs_faults_are_told_and_servers_that_are_away_only_when_the_job_is_dead(
    sentry: Received, jobs: Jobs, raised: Exception, attempts: int, reports: int
) -> None:
    tasks = Tasks("worker")

    @tasks.task("fail")
    def fail(_: JobContext) -> None:
        raise raised

    jobs.enqueue("fail", secret={"token": "t0ken-of-ada"}, max_attempts=attempts)
    tasks.run_one()
    found = told(sentry)
    assert len(found) == reports
    for event in found:
        assert event["transaction"] == "JOB fail"
        values = [each["value"] for each in event["exception"]["values"]]
        assert [private for private in PRIVATE if private in str(values)] == []


def test_a_sweep_that_fails_is_told(sentry: Received, jobs: Jobs) -> None:
    tasks = Tasks("worker")

    @tasks.every(seconds=60)
    def broken() -> None:
        raise RuntimeError

    tasks.run_sweeps()
    [event] = told(sentry)
    assert (event["transaction"], event["tags"]["during"]) == ("SWEEP broken", "sweep")


def test_a_sentry_that_is_away_fails_nobody(settings: SettingsChange, world: World) -> None:
    settings(SENTRY_DSN="http://key@127.0.0.1:1/42")
    with failing() as client:
        assert client.post("/v1/worker/fails/x").status_code == 500
    reporter.close()
