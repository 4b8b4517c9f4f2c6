"""Ollama, the bucket, the queue and mail."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import pytest

from infra import bucket_cors
from infra.doctor import aws, exchange
from infra.doctor.findings import State
from infra.doctor.network import Way
from infra.doctor.ollama import Ollama
from infra.doctor.places import Place, Viewpoint
from infra.doctor.running import EdgeReport
from infra.doctor.secrecy import hiding
from infra.doctor.targets import parse
from tests.common.mail.smtp import PASSWORD, USER, smtp_server
from tests.infra.doctor.broken import (
    HOST,
    assert_well,
    closed_port,
    failure,
    look,
    look_at,
    objects,
    page,
    said,
    saying,
    silent,
    web,
)
from tests.support.fixtures import SettingsChange
from tests.support.ollama import FakeOllama

BUCKET, LINKS, QUEUE, MAIL = "function → bucket", "browser → bucket", "function → queue", "function → mail"
OLLAMA = {"/api/version": {"version": "0.12.3"}, "/api/tags": {"models": [{"name": "llama3:latest"}]}}


def client(service: str, url: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="emulator",
        aws_secret_access_key="emulator",
    )


@pytest.fixture
def bucket(moto_url: str) -> Iterator[str]:
    """A bucket of moto's; its name."""
    client("s3", moto_url).create_bucket(Bucket="doctor")
    yield "doctor"
    client("s3", moto_url).delete_bucket(Bucket="doctor")


def ollama(answers: dict[str, Any], *wanted: str) -> EdgeReport:
    with web(objects(answers)) as server:
        return look_at(*Ollama(Way(parse("OLLAMA_URL", server.url), HOST), wanted).checks)


def test_ollama_with_its_models() -> None:
    assert_well(ollama(OLLAMA, "llama3"))


def test_an_absent_ollama_is_a_warning(settings: SettingsChange) -> None:
    report = look(settings(OLLAMA_URL=f"http://127.0.0.1:{closed_port()}"), "function → ollama")
    assert report.state is State.WARNING
    assert "nothing listens there. → Ollama is " in said(report, State.WARNING)


def test_ollama_behind_a_proxy_gets_what_the_proxy_wants(
    settings: SettingsChange, ollama_server: FakeOllama
) -> None:
    current = settings(OLLAMA_URL=ollama_server.url, OLLAMA_HEADERS='{"X-Proxy-Key": "doctors-own"}')
    assert_well(look(current, "function → ollama"))
    asked = [call.path for call in ollama_server.calls if call.headers.get("x-proxy-key") == "doctors-own"]
    assert asked == ["/api/version", "/api/tags"]
    assert hiding(current)("doctors-own") == "•••"


def test_something_that_is_not_ollama() -> None:
    assert "Something else answers, not Ollama: status 404" in failure(ollama({}))
    with web(page) as server:
        found = failure(look_at(*Ollama(Way(parse("OLLAMA_URL", server.url), HOST), ()).checks))
    assert "Something else answers, not Ollama." in found


def test_a_model_that_is_not_pulled() -> None:
    found = failure(ollama(OLLAMA, "llama3", "nomic-embed-text"))
    assert "models: The model nomic-embed-text is not pulled. → Run `ollama pull nomic-embed-text`." in found
    assert "It has no model at all." in failure(ollama(OLLAMA | {"/api/tags": {"models": []}}))


def test_a_bucket_that_there_is_not(settings: SettingsChange, moto_url: str) -> None:
    found = failure(look(settings(AWS_ENDPOINT_URL=moto_url, BUCKET="nowhere"), BUCKET))
    assert "bucket: There is no bucket nowhere. → Make it (`lambkin up` does" in found


def test_an_emulator_forgets_its_bucket(settings: SettingsChange, moto_url: str, bucket: str) -> None:
    report = look(settings(AWS_ENDPOINT_URL=moto_url, BUCKET=bucket), BUCKET)
    assert report.state is State.WARNING
    found = said(report, State.WARNING)
    assert "moto is behind the bucket: it forgets the bucket, and all files, when it restarts." in found
    assert "`selfhost`" in found


def test_pages_that_may_not_upload_to_the_bucket(
    settings: SettingsChange, moto_url: str, bucket: str
) -> None:
    current = settings(AWS_ENDPOINT_URL=moto_url, BUCKET=bucket, FRONTEND_URL="http://localhost:3000")
    found = "Pages of http://localhost:3000 may not upload to the bucket"
    assert found in said(look(current, BUCKET), State.WARNING)
    for origin, sentence in (
        ("http://localhost:8000", ""),
        ("http://localhost:*", "Pages of http://localhost:3000 may upload to it."),
    ):
        bucket_cors.allow(client("s3", moto_url), bucket, [origin])
        report = look(current, BUCKET)
        assert (found in said(report, State.WARNING)) is not bool(sentence)
        assert sentence in said(report, State.OK)


SCANNER = "files → scanner"


def test_a_scanner_that_answers(settings: SettingsChange) -> None:
    with saying(b"PONG\0") as server:
        url = f"tcp://127.0.0.1:{server.port}"
        assert_well(look(settings(SCANNER_URL=url), SCANNER))


def test_a_scanner_that_is_none(settings: SettingsChange, tmp_path: Path) -> None:
    found = "No ClamAV answers: uploads wait for it."
    with saying(b"220 a mail server\r\n") as server:
        assert found in failure(look(settings(SCANNER_URL=f"tcp://127.0.0.1:{server.port}"), SCANNER))
    assert found in failure(look(settings(SCANNER_URL=f"unix://{tmp_path}/none"), SCANNER))


def behind_the_bucket(settings: SettingsChange, path: str, view: Viewpoint, **values: str) -> EdgeReport:
    """Look at a bucket of the emulator that answers at this path."""
    health = objects({path: {"services": {}}, "/lambkin": {}})
    with web(health) as server:
        return look(settings(AWS_ENDPOINT_URL=server.url, **values), BUCKET, view)


def test_an_emulator_may_keep_its_bucket(settings: SettingsChange) -> None:
    report = behind_the_bucket(settings, "/_ministack/health", HOST)
    assert "MiniStack is behind the bucket: unless told to persist" in said(report, State.WARNING)
    with_stack = Viewpoint(Place.HOST, Place.HOST, stack_url="http://localhost:8000")
    assert_well(behind_the_bucket(settings, "/_ministack/health", with_stack))
    report = behind_the_bucket(settings, "/_localstack/health", with_stack)
    assert "LocalStack is behind the bucket: it forgets the bucket" in said(report, State.WARNING)
    assert_well(behind_the_bucket(settings, "/a-real-server", HOST))


def test_an_emulator_in_production(settings: SettingsChange) -> None:
    report = behind_the_bucket(
        settings,
        "/_localstack/health",
        HOST,
        STAGE="prod",
        PUBLIC_URL="https://api.lambkin.example",
        FRONTEND_URL="https://lambkin.example",
        SERVER_SECRET="a secret of our own",
        ENCRYPTION_KEYS="own:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=",
        RATE_LIMITS="true",
    )
    assert "STAGE is prod and LocalStack, an emulator, keeps the files" in failure(report)


@pytest.mark.parametrize(
    ("path", "name"),
    [("/_localstack/health", "LocalStack"), ("/_ministack/health", "MiniStack"), ("/health", "")],
)
def test_emulators_are_told_apart(path: str, name: str) -> None:
    with web(objects({path: {"services": {"s3": "running"}}})) as server:
        way = Way(parse("AWS_ENDPOINT_URL", server.url), HOST)
        look_at(*way.checks)
        assert aws.emulator(way) == name


def test_a_page_is_not_s3(settings: SettingsChange) -> None:
    with web(lambda *_: (404, {"Content-Type": "text/html"}, b"<h1>?</h1>")) as server:
        found = failure(look(settings(AWS_ENDPOINT_URL=server.url), BUCKET))
    assert "Something else answers, not S3. → Correct AWS_ENDPOINT_URL" in found


def refusing(code: str, **headers: str) -> Any:
    body = f"<Error><Code>{code}</Code><Message>No.</Message></Error>".encode()
    return lambda *_: (403, {"Content-Type": "application/xml"} | headers, body)


def test_credentials_that_s3_refuses(settings: SettingsChange) -> None:
    with web(refusing("AccessDenied")) as server:
        found = failure(look(settings(AWS_ENDPOINT_URL=server.url), BUCKET))
    assert "S3 refuses us (403). → Check the credentials" in found


def test_a_clock_that_makes_s3_refuse(settings: SettingsChange) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=20), usegmt=True)
    with web(refusing("RequestTimeTooSkewed", Date=date)) as server:
        found = failure(look(settings(AWS_ENDPOINT_URL=server.url), BUCKET))
    assert "Its clock is 20 min ahead of ours: presigned links and tokens are refused." in found


def test_aws_without_a_region(
    settings: SettingsChange, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for current in (settings(), settings(AWS_ENDPOINT_URL="")):
        assert failure(look(current, MAIL)) == "address: No AWS region is set. → Set AWS_REGION."


def test_presigned_links_that_lead_to_the_bucket(settings: SettingsChange, moto_url: str) -> None:
    with web(refusing("NoSuchKey")) as server:
        assert_well(look(settings(AWS_ENDPOINT_URL=moto_url, S3_PUBLIC_URL=server.url), LINKS))


def test_presigned_links_with_a_docker_name(settings: SettingsChange, moto_url: str) -> None:
    found = failure(look(settings(AWS_ENDPOINT_URL=moto_url, S3_PUBLIC_URL="http://localstack:4566"), LINKS))
    assert "Presigned links lead to `localstack`, which only the Docker network knows." in found
    assert "→ Set S3_PUBLIC_URL to the address under which browsers reach the bucket" in found


def test_beside_a_docker_network_links_are_not_judged(
    settings: SettingsChange, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL", "S3_PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)
    report = look(settings(STAGE="local"), LINKS)
    assert report.state is State.WARNING
    assert "S3_PUBLIC_URL is not set here" in said(report, State.WARNING)


def test_presigned_links_to_the_readers_own_machine(settings: SettingsChange, moto_url: str) -> None:
    current = settings(AWS_ENDPOINT_URL=moto_url, PUBLIC_URL="https://api.lambkin.example")
    assert "for each reader that is the reader's own machine" in failure(look(current, LINKS))


def test_presigned_links_to_something_else(settings: SettingsChange, moto_url: str) -> None:
    with web(page) as server:
        current = settings(AWS_ENDPOINT_URL=moto_url, S3_PUBLIC_URL=server.url)
        found = failure(look(current, LINKS))
    assert "A presigned link does not lead to the bucket: status 200 with text/html" in found


def test_presigned_links_through_a_proxy_that_changes_the_host(
    settings: SettingsChange, moto_url: str
) -> None:
    with web(refusing("SignatureDoesNotMatch")) as server:
        current = settings(AWS_ENDPOINT_URL=moto_url, S3_PUBLIC_URL=server.url)
        assert "A proxy in between must keep Host and path as they are" in failure(look(current, LINKS))


def test_queues_that_are_missing_are_a_warning(settings: SettingsChange, moto_url: str) -> None:
    current = settings(AWS_ENDPOINT_URL=moto_url, QUEUES="true", QUEUE_PREFIX="doctor-")
    report = look(current, QUEUE)
    assert report.state is State.WARNING
    assert "There is no queue doctor-auth." in said(report, State.WARNING)

    for name in ("auth", "users", "files", "ai", "worker"):
        client("sqs", moto_url).create_queue(QueueName=f"doctor-{name}")
    assert_well(look(current, QUEUE))


def test_no_queues_are_wanted(settings: SettingsChange) -> None:
    assert "QUEUES is off" in said(look(settings(QUEUES="false"), QUEUE), State.OK)


def test_a_page_is_not_sqs(settings: SettingsChange) -> None:
    with web(page) as server:
        report = look(settings(AWS_ENDPOINT_URL=server.url, QUEUES="true"), QUEUE)
    assert "Something else answers, not SQS." in said(report, State.WARNING)


def test_a_sender_that_ses_does_not_know(settings: SettingsChange, moto_url: str) -> None:
    current = settings(AWS_ENDPOINT_URL=moto_url, MAIL_FROM="Doctor <doctor@unknown.example>")
    found = failure(look(current, MAIL))
    assert "sender: SES does not know doctor@unknown.example, nor unknown.example. → Verify one" in found


def test_a_sender_that_ses_knows(settings: SettingsChange, moto_url: str) -> None:
    # A domain of its own: all tests of a process share one SES.
    client("sesv2", moto_url).create_email_identity(EmailIdentity="doctor@doctor.example")
    report = look(settings(AWS_ENDPOINT_URL=moto_url, MAIL_FROM="doctor@doctor.example"), MAIL)
    # moto never verifies.
    assert "SES has not verified doctor@doctor.example yet." in failure(report)


def test_a_page_is_not_ses(settings: SettingsChange) -> None:
    with web(page) as server:
        assert "not SES" in failure(look(settings(AWS_ENDPOINT_URL=server.url), MAIL))


def smtp(settings: SettingsChange, port: int, user: str = "") -> EdgeReport:
    url = f"smtp://{user}127.0.0.1:{port}"
    return look(settings(MAIL_TRANSPORT="smtp", SMTP_URL=url), MAIL)


def test_a_mail_server_that_answers(settings: SettingsChange) -> None:
    with smtp_server() as (_, port):
        assert_well(smtp(settings, port))
        assert_well(smtp(settings, port, f"{USER}:{quote(PASSWORD, safe='')}@"))


def test_a_mail_server_that_refuses_the_password(settings: SettingsChange) -> None:
    with smtp_server() as (_, port):
        found = failure(smtp(settings, port, f"{USER}:not-the-password@"))
    assert "The mail server refuses user and password. → Correct them in SMTP_URL." in found


def test_no_mail_server_at_all(settings: SettingsChange, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "refuses: nothing listens there" in failure(smtp(settings, closed_port()))
    with saying(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        assert "Something else answers, not a mail server." in failure(smtp(settings, server.port))
    monkeypatch.setattr(exchange, "ANSWER_SECONDS", 0.2)
    with silent() as server:
        assert "It takes connections and does not greet: no mail server." in failure(
            smtp(settings, server.port)
        )
