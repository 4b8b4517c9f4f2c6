"""Traces and reports at the start of a process, and in Lambda, whose processes are frozen between events."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from infra.bench.warm_calls import event_for
from tests.common.test_metrics import check_emf
from tests.support.receiving import OTLP_ANSWER, Traces, events, receiver
from tests.support.world import World

# Each finds what it needs in the environment; `HIDDEN` are modules that are not installed there.
START = """
import importlib, os, sys

class Absent:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in os.environ["HIDDEN"].split():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent)
importlib.import_module(os.environ["ENTRY"])
"""

# Nothing is done at its end: what is not sent by then is lost, as in a process that stays frozen.
IN_LAMBDA = """
import json, os, sys
from sqlalchemy import text
from common.routing import Router
from common.app import create_app, lambda_handler
from common.jobs import Tasks
from common.database import in_transaction

router = Router(prefix="/v1/worker", tags=["worker"])

@router.get("/fails")
async def fails() -> None:
    raise RuntimeError("a fault")

@router.get("/looks")
async def looks() -> int:
    return await in_transaction(lambda session: session.scalar(text("select 1")))

handler = lambda_handler(create_app("worker", summary="Tests.", router=router))
tasks = Tasks("worker")
for path in ("/v1/worker/looks", "/v1/worker/fails"):
    handler(json.loads(os.environ["EVENT"].replace("/v1/there", path)), None)
print("sentry_sdk" in sys.modules, file=sys.stderr)
tasks.handler({"source": "aws.scheduler"})
sys.stdout.flush(), sys.stderr.flush()
os._exit(0)
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("entry", ["functions.health.app"])
@pytest.mark.parametrize(
    ("environment", "hidden", "sentence"),
    [
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
            "opentelemetry.sdk opentelemetry.exporter",
            "asks for traces, and OpenTelemetry is not installed",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "",
            "OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf",
        ),
        ({"SENTRY_DSN": "https://key@sentry.example/1"}, "sentry_sdk", "sentry-sdk is not installed"),
        (
            {"SENTRY_DSN": "https://key@sentry.example/1", "AWS_LAMBDA_FUNCTION_NAME": "x"},
            "sentry_sdk",
            "sentry-sdk is not installed",
        ),
        ({"SENTRY_DSN": "sentry.example"}, "", "SENTRY_DSN: must look like https://key@host/project"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence_at_the_start(
    entry: str, environment: dict[str, str], hidden: str, sentence: str
) -> None:
    child = run(START, ENTRY=entry, HIDDEN=hidden, **environment)
    assert child.returncode == 1
    [line] = child.stderr.strip().splitlines()
    assert line.startswith("Lambkin cannot start. ")
    assert sentence in line


def test_a_server_that_ends_sends_what_it_has_to_tell() -> None:
    ends = (
        "from common import error_reports; error_reports.start();"
        "error_reports.report(RuntimeError('the last one'), 'request')"
    )
    with receiver() as sentry:
        dsn = sentry.url.replace("http://", "http://0123456789abcdef@") + "/42"
        assert run(ends, SENTRY_DSN=dsn).returncode == 0
    [event] = events(sentry)
    assert event["exception"]["values"][0]["value"] == "the last one"


def in_lambda(**environment: str) -> tuple[list[dict[str, Any]], str]:
    event = json.dumps(event_for("/v1/there", ""))
    child = run(IN_LAMBDA, AWS_LAMBDA_FUNCTION_NAME="worker", EVENT=event, LOG_LEVEL="error", **environment)
    assert child.returncode == 0, child.stderr
    lines = [check_emf(line) for line in child.stdout.splitlines() if '"_aws"' in line]
    return lines, child.stderr


def test_in_lambda_each_request_and_tick_is_one_line_and_everything_is_sent_before_the_freeze(
    world: World,
) -> None:
    world.run("delete from jobs where function = 'worker'")
    with receiver(OTLP_ANSWER, "application/x-protobuf") as collector, receiver() as sentry:
        dsn = sentry.url.replace("http://", "http://0123456789abcdef@") + "/42"
        lines, errors = in_lambda(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, SENTRY_DSN=dsn)
    first, second, tick = lines
    assert (first["function"], first["requests"], first["cold_starts"]) == ("worker", 1, 1)
    assert (second["requests"], second["unexpected_errors"]) == (1, 1)
    assert "cold_starts" not in second
    assert (tick["queue_depth"], tick["dead_jobs"]) == (0, 0)
    names = [span.name for span in Traces(collector).spans()]
    assert {"GET /v1/worker/fails", "GET /v1/worker/looks", "SELECT"} <= set(names)
    assert [event["transaction"] for event in events(sentry)] == ["GET /v1/worker/fails"]
    assert errors.strip() == "True"


def test_in_lambda_a_collector_and_a_sentry_that_are_away_fail_nobody(
    database_url: str,
) -> None:
    lines, _ = in_lambda(
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1", SENTRY_DSN="http://key@127.0.0.1:1/42"
    )
    assert [line["requests"] for line in lines if "requests" in line] == [1, 1]
