"""Secrets by reference: read on first use, from the extension first, and never told in an error."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest

from common import secrets
from common.errors import Unavailable
from common.secrets import SecretUnusable
from common.settings import get_settings, secret_settings
from tests.common.test_settings import SAFE
from tests.support.fixtures import SettingsChange

KEPT = {"DATABASE_URL": "postgresql://lambkin_auth:pw@db.example:5432/app", "SERVER_SECRET": "x" * 32}


@pytest.fixture
def kept_secret(moto_url: str, settings: SettingsChange) -> Iterator[Callable[[str], str]]:
    """`kept_secret(value)` keeps a secret in Secrets Manager and gives its name."""
    settings(AWS_ENDPOINT_URL=moto_url)
    client = boto3.client(
        "secretsmanager",
        endpoint_url=moto_url,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    made: list[str] = []

    def keep(value: str) -> str:
        name = f"lambkin/test/{len(made)}"
        client.create_secret(Name=name, SecretString=value)
        made.append(name)
        return name

    yield keep
    for name in made:
        client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


class Extension(BaseHTTPRequestHandler):
    """The published protocol of the AWS Parameters and Secrets Lambda Extension."""

    def do_GET(self) -> None:
        server: Any = self.server
        server.asked.append(self.path)
        known = self.headers["X-Aws-Parameters-Secrets-Token"] == "session"
        body = json.dumps({"SecretString": json.dumps(KEPT)}) if known and server.ready else "not ready"
        self.send_response(200 if known and server.ready else 400)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def extension(settings: SettingsChange) -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("localhost", 0), Extension)
    server.asked, server.ready = [], True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    settings(**{secrets.EXTENSION_PORT: str(server.server_port), "AWS_SESSION_TOKEN": "session"})
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def refer(settings: SettingsChange, name: str) -> None:
    settings(DATABASE_URL=f"secret:{name}#DATABASE_URL", SERVER_SECRET=f"secret:{name}#SERVER_SECRET")


def test_settings_without_references_are_used_as_they_are() -> None:
    assert secret_settings() is get_settings()


def test_secrets_are_read_from_the_service_and_kept(
    kept_secret: Callable[[str], str], settings: SettingsChange
) -> None:
    refer(settings, kept_secret(json.dumps(KEPT)))
    assert get_settings().server_secret.startswith("secret:")
    found = secret_settings()
    assert found.server_secret == KEPT["SERVER_SECRET"]
    assert found.database_url == "postgresql+pg8000://lambkin_auth:pw@db.example:5432/app"
    assert secret_settings() is found


def test_the_extension_is_asked_first_and_once_a_secret(settings: SettingsChange, extension: Any) -> None:
    refer(settings, "arn:aws:secretsmanager:eu-central-1:1:secret:lambkin/prod/auth-AbCdEf")
    assert secret_settings().server_secret == KEPT["SERVER_SECRET"]
    assert secret_settings().database_url.endswith("/app")
    assert extension.asked == [
        "/secretsmanager/get?secretId=arn%3Aaws%3Asecretsmanager%3Aeu-central-1%3A1%3Asecret%3Alambkin%2Fprod%2Fauth-AbCdEf"
    ]


def test_where_the_extension_is_not_ready_the_service_is_asked(
    kept_secret: Callable[[str], str], settings: SettingsChange, extension: Any
) -> None:
    extension.ready = False
    refer(settings, kept_secret(json.dumps(KEPT)))
    assert secret_settings().server_secret == KEPT["SERVER_SECRET"]
    assert len(extension.asked) == 1


def test_where_nothing_answers_it_is_a_503(settings: SettingsChange) -> None:
    refer(settings, "lambkin/test/auth")
    with pytest.raises(Unavailable):
        secret_settings()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("no json", "is no JSON object"),
        ("[]", "is no JSON object"),
        ('{"OTHER": "x"}', "has no DATABASE_URL"),
        ('{"DATABASE_URL": "mysql://x", "SERVER_SECRET": "hidden-hidden-hidden"}', "DATABASE_URL"),
        ('{"DATABASE_URL": "postgresql://a:hidden@b/c", "SERVER_SECRET": "short"}', "SERVER_SECRET"),
    ],
)
def test_a_secret_that_does_not_fit_is_told_by_name_and_not_shown(
    kept_secret: Callable[[str], str], settings: SettingsChange, value: str, said: str
) -> None:
    refer(settings, kept_secret(value))
    with pytest.raises(SecretUnusable) as refused:
        secret_settings()
    assert said in refused.value.reason
    assert "hidden" not in refused.value.reason


def test_a_secret_that_there_is_not_is_told(
    kept_secret: Callable[[str], str], settings: SettingsChange
) -> None:
    kept_secret("{}")
    refer(settings, "lambkin/test/nothing")
    with pytest.raises(SecretUnusable) as refused:
        secret_settings()
    assert "ResourceNotFoundException" in refused.value.reason


@pytest.mark.parametrize("reference", ["secret:", "secret:name", "secret:#KEY", "secret:name#"])
def test_what_is_no_reference_is_told(settings: SettingsChange, reference: str) -> None:
    settings(DATABASE_URL=reference)
    with pytest.raises(SecretUnusable) as refused:
        secret_settings()
    assert "DATABASE_URL: must look like" in refused.value.reason


def test_what_is_unsafe_in_production_is_refused_behind_a_reference_as_well(
    kept_secret: Callable[[str], str], settings: SettingsChange
) -> None:
    unsafe = {"DATABASE_URL": "postgresql://pguser:pgpassword@pgsql:5432/database"}
    name = kept_secret(json.dumps(unsafe))
    settings(**SAFE | {"DATABASE_URL": f"secret:{name}#DATABASE_URL"})
    with pytest.raises(SecretUnusable) as refused:
        secret_settings()
    assert "DATABASE_URL" in refused.value.reason
