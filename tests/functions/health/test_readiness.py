"""What works, what does not, and what to do about it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import httpx
import pytest

from common import health
from common.database import dispose_engines
from common.health import PROBE_SECONDS
from common.models.revision import HEAD
from functions.health.service import OTHERS
from tests.support.fixtures import SettingsChange
from tests.support.ollama import FakeOllama


@pytest.fixture(autouse=True)
def fresh_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request probes anew."""
    monkeypatch.setattr(health, "KEPT_SECONDS", 0.0)


@contextmanager
def http_server(status: int, *, hang: bool = False) -> Iterator[str]:
    """Something that answers every GET with this status, or accepts and says nothing."""
    release = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if hang:
                release.wait(30)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    release.set()
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def everything(
    moto_url: str,
    over_http: httpx.Client,
    ollama_server: FakeOllama,
    settings: SettingsChange,
    monkeypatch: pytest.MonkeyPatch,
) -> SettingsChange:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    settings(
        AWS_ENDPOINT_URL=moto_url, INTERNAL_URL=str(over_http.base_url), OLLAMA_URL=ollama_server.url,
        QUEUES="true", MAIL_FROM="no-reply@lambkin.example",
    )  # fmt: skip
    boto3.client("s3", endpoint_url=moto_url).create_bucket(Bucket="lambkin")
    boto3.client("sqs", endpoint_url=moto_url).create_queue(QueueName="lambkin-worker")
    boto3.client("ses", endpoint_url=moto_url).verify_email_identity(EmailAddress="no-reply@lambkin.example")
    return settings


def ready(api: httpx.Client) -> tuple[int, dict[str, object], dict[str, dict[str, object]]]:
    answer = api.get("/v1/health/ready")
    body = answer.json()
    return answer.status_code, body, {probe["name"]: probe for probe in body["probes"] + body["functions"]}


def test_all_is_well_where_everything_answers(asgi: httpx.Client, everything: SettingsChange) -> None:
    # The first calls of a client of AWS may take longer than a probe waits.
    reports = (ready(asgi) for _ in range(20))
    status, body, probes = next((report for report in reports if report[1]["state"] == "ok"), ready(asgi))
    assert (status, body["state"]) == (200, "ok"), json.dumps(body)
    assert probes.keys() == {"database", "bucket", "queue", "mail", "ollama", *OTHERS}
    assert all(float(str(probe["latency_ms"])) >= 0 for probe in probes.values())


def test_a_missing_part_degrades_and_says_what_to_do(asgi: httpx.Client, everything: SettingsChange) -> None:
    everything(OLLAMA_URL="http://127.0.0.1:1", BUCKET="no-such-bucket")
    status, body, probes = ready(asgi)
    assert (status, body["state"]) == (200, "degraded")
    assert {name for name, probe in probes.items() if probe["state"] == "failed"} == {"ollama", "bucket"}
    assert "Ollama" in str(probes["ollama"]["hint"])


def test_what_answers_in_place_of_ollama_is_told_from_it(
    asgi: httpx.Client, everything: SettingsChange
) -> None:
    with http_server(200) as other:
        everything(OLLAMA_URL=other)
        _, _, probes = ready(asgi)
    assert probes["ollama"]["detail"] == "Something else answers, and not Ollama."


def test_a_part_that_accepts_and_is_silent_costs_a_bounded_time(
    asgi: httpx.Client, everything: SettingsChange
) -> None:
    with http_server(200, hang=True) as silent:
        everything(OLLAMA_URL=silent)
        status, _, probes = ready(asgi)
    assert (status, probes["ollama"]["state"]) == (200, "failed")
    assert float(str(probes["ollama"]["latency_ms"])) < (PROBE_SECONDS + 3) * 1000


def test_without_a_database_nothing_useful_works(asgi: httpx.Client, everything: SettingsChange) -> None:
    dispose_engines()
    everything(DATABASE_URL="postgresql+pg8000://lambkin_x:x@127.0.0.1:1/none")
    try:
        status, body, _ = ready(asgi)
    finally:
        dispose_engines()
    assert (status, body["state"], body["code"]) == (503, "unavailable", "unavailable")


def test_a_function_is_not_ready_without_its_database(asgi: httpx.Client, settings: SettingsChange) -> None:
    dispose_engines()
    settings(DATABASE_URL="postgresql+pg8000://lambkin_x:x@127.0.0.1:1/none")
    try:
        answer = asgi.get("/v1/users/readyz")
        assert asgi.get("/v1/users/livez").status_code == 200
    finally:
        dispose_engines()
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


def test_a_database_behind_the_code_is_not_ready(
    asgi: httpx.Client, world: "object", database_url: str
) -> None:
    from tests.support.world import World

    assert isinstance(world, World)
    world.run("update alembic_version set version_num = '0000'")
    try:
        answer = asgi.get("/v1/users/readyz")
    finally:
        world.run("update alembic_version set version_num = :head", head=HEAD)
    assert answer.status_code == 503
    assert "0000" in answer.text


def test_metrics_count_requests(asgi: httpx.Client) -> None:
    asgi.get("/v1/users/livez")
    text = asgi.get("/v1/users/metrics").text
    assert (
        'lambkin_requests_total{function="users",method="GET",route="/v1/users/livez",status="200"}' in text
    )
    assert "# TYPE lambkin_request_seconds histogram" in text
