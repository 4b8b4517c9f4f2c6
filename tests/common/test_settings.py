import base64
import subprocess
import sys

import pytest

from common.aws import aws_client
from common.settings import Settings, SettingsError, load_settings, require_settings
from tests.support.fixtures import SettingsChange

SAFE = {
    "STAGE": "prod",
    "SERVER_SECRET": "0123456789abcdef0123456789abcdef",
    "ENCRYPTION_KEYS": "first:" + base64.b64encode(bytes(32)).decode(),
    "DATABASE_URL": "postgresql+pg8000://owner:secret@db.internal.example:5432/app",
    "PUBLIC_URL": "https://api.lambkin.example",
    "FRONTEND_URL": "https://lambkin.example",
    "RATE_LIMITS": "true",
}
UNSAFE = {
    "SERVER_SECRET": "lambkin-insecure-development-secret",
    "ENCRYPTION_KEYS": "development:bGFtYmtpbi1pbnNlY3VyZS1kZXZlbG9wbWVudC1rZXk=",
    "DATABASE_URL": "postgresql+pg8000://pguser:pgpassword@pgsql:5432/database",
    "PUBLIC_URL": "http://api.lambkin.example",
    "FRONTEND_URL": "http://lambkin.example",
    "CORS_ORIGINS": "*",
    "RATE_LIMITS": "false",
    "AWS_SECRET_ACCESS_KEY": "test",
}


def test_safe_settings_are_accepted_in_production(settings: SettingsChange) -> None:
    assert settings(**SAFE).stage == "prod"


@pytest.mark.parametrize("name", UNSAFE)
def test_an_unsafe_setting_is_refused_in_production_by_name(settings: SettingsChange, name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        settings(**SAFE | {name: UNSAFE[name]})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STAGE", "moon"),
        ("DATABASE_POOL_SIZE", "0"),
        ("DATABASE_URL", "mysql://x"),
        ("PUBLIC_URL", "backend:8000"),
        ("TRUSTED_PROXIES", "10.0.0.0/99"),
        ("SERVER_SECRET", "short"),
        ("OLLAMA_HEADERS", "Authorization: Bearer x"),
        ("OLLAMA_HEADERS", '{"Authorization": 1}'),
        ("OLLAMA_HEADERS", '{"X-Evil": "a\\r\\nHost: b"}'),
        ("OLLAMA_HEADERS", '{"a b": "c"}'),
        ("OLLAMA_TOTAL_SECONDS", "0"),
    ],
)
def test_a_malformed_setting_is_told_in_one_sentence_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_start_of_a_function_stops_with_the_sentence_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STAGE", "moon")
    start = [sys.executable, "-c", "import functions.users.app"]
    done = subprocess.run(start, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().startswith("Lambkin cannot start. STAGE:")
    assert "Traceback" not in done.stderr


def test_an_empty_address_of_an_emulator_is_none(settings: SettingsChange) -> None:
    region = {"AWS_DEFAULT_REGION": "eu-central-1"}
    assert settings(STAGE="dev", AWS_ENDPOINT_URL="", **region).aws_endpoint is None
    made = aws_client("sqs", timeout_seconds=1.5)
    assert made.meta.endpoint_url == "https://sqs.eu-central-1.amazonaws.com"
    assert settings(STAGE="local").aws_endpoint == "http://localstack:4566"


def test_trusted_proxies_are_separated_by_commas_or_spaces(settings: SettingsChange) -> None:
    given = settings(TRUSTED_PROXIES="10.0.0.1/32,192.0.2.0/24 2001:db8::/32, 10.1.0.0/16,")
    assert given.trusted_proxies == ("10.0.0.1/32", "192.0.2.0/24", "2001:db8::/32", "10.1.0.0/16")


def test_a_function_names_what_it_needs(settings: SettingsChange) -> None:
    settings()
    require_settings(["DATABASE_URL"])
    with pytest.raises(SettingsError, match="DATABASE_CA_FILE is missing"):
        require_settings(["DATABASE_CA_FILE"])
    with pytest.raises(SettingsError, match="NO_SUCH is declared"):
        require_settings(["NO_SUCH"])


def test_the_defaults_fit_the_docker_network(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    settings = load_settings()
    assert settings.database_url == "postgresql+pg8000://pguser:pgpassword@pgsql:5432/database"
    assert settings.ollama_url == "http://ollama:11434"
    assert settings.aws_endpoint == "http://localstack:4566"
    assert settings.internal_url == "http://backend:8000"
    assert settings.allowed_origins == ["http://frontend:3000"]


def test_the_headers_for_ollama_are_read_and_a_reference_to_them_gives_none(settings: SettingsChange) -> None:
    given = settings(OLLAMA_HEADERS='{"Authorization": "Bearer x"}')
    assert given.ollama_header_values == {"Authorization": "Bearer x"}
    assert settings(OLLAMA_HEADERS="secret:lambkin/dev/ai#OLLAMA_HEADERS").ollama_header_values == {}
    assert settings(OLLAMA_HEADERS="").ollama_header_values == {}
