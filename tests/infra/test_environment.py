from pathlib import Path

import pytest

from infra.deploy.stages import Stage
from infra.local.environment import for_functions
from infra.local.home import Home, Secrets
from infra.local.resources import client

HOME = Home(Path("/nowhere"))
SECRETS = Secrets("super", "owner", "local:key", "secret")


def environment(emulator_url: str | None = "http://127.0.0.1:4566", **inherited: str) -> dict[str, str]:
    return for_functions(
        HOME,
        SECRETS,
        url="http://localhost:8000",
        database_url="postgresql+pg8000://x",
        emulator_url=emulator_url,
        inherited=inherited,
    )


def test_what_the_user_has_set_wins() -> None:
    made = environment(OLLAMA_URL="http://gpu:11434", SERVER_SECRET="mine", DATABASE_POOL_SIZE="9")

    assert made["OLLAMA_URL"] == "http://gpu:11434"
    assert made["SERVER_SECRET"] == "mine"
    assert made["DATABASE_POOL_SIZE"] == "9"


def test_an_empty_variable_counts_as_unset() -> None:
    assert environment(DATABASE_URL="")["DATABASE_URL"] == "postgresql+pg8000://x"


def test_an_empty_endpoint_is_aws_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    # The user's own account is for AWS.
    made = environment(None, AWS_ENDPOINT_URL="", AWS_DEFAULT_REGION="eu-central-1")
    assert "AWS_ACCESS_KEY_ID" not in made
    there = "https://sqs.eu-central-1.amazonaws.com"
    assert client("sqs", made).meta.endpoint_url == there
    assert Stage("prod").endpoint is None
    assert Stage("prod").client("lambda").meta.endpoint_url.endswith(".amazonaws.com")
    assert Stage("local").endpoint == "http://127.0.0.1:4566"


def test_the_links_in_mails_lead_to_the_gateway() -> None:
    made = environment()

    assert made["FRONTEND_URL"] == made["PUBLIC_URL"] == made["INTERNAL_URL"] == "http://localhost:8000"


def test_the_users_aws_account_never_meets_the_emulator() -> None:
    made = environment(
        AWS_PROFILE="work", AWS_SESSION_TOKEN="real", AWS_SECRET_ACCESS_KEY="real", AWS_REGION="x"
    )

    assert made["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert made["AWS_ACCESS_KEY_ID"] == made["AWS_SECRET_ACCESS_KEY"] == "test"
    assert made["AWS_REGION"] == made["AWS_DEFAULT_REGION"] == "us-east-1"
    assert "AWS_PROFILE" not in made
    assert "AWS_SESSION_TOKEN" not in made


def test_another_emulator_is_taken_with_its_own_credentials() -> None:
    made = environment(
        None, AWS_ENDPOINT_URL="http://localstack:4566", AWS_ACCESS_KEY_ID="a", AWS_REGION="eu-1"
    )

    assert made["AWS_ENDPOINT_URL"] == "http://localstack:4566"
    assert made["AWS_ACCESS_KEY_ID"] == "a"
    assert made["AWS_DEFAULT_REGION"] == "eu-1"


def test_another_emulator_never_gets_the_users_own_default_account() -> None:
    made = environment(None, AWS_ENDPOINT_URL="http://localstack:4566")

    assert made["AWS_ACCESS_KEY_ID"] == made["AWS_SECRET_ACCESS_KEY"] == "test"
