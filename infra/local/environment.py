"""The environment that the stack gives to the functions: what the user has set already wins."""

import os
import shutil
from collections.abc import Mapping

from infra.local import postgres
from infra.local.home import Home, Secrets, load_secrets

REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
OLLAMA = "http://127.0.0.1:11434"


def endpoint(environment: Mapping[str, str] = os.environ) -> str | None:
    """The emulator that AWS_ENDPOINT_URL names; None for AWS itself, also where it is empty."""
    return environment.get("AWS_ENDPOINT_URL") or None


def for_functions(
    home: Home,
    secrets: Secrets,
    *,
    url: str,
    database_url: str,
    emulator_url: str | None,
    inherited: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """The whole environment of a child that runs functions.

    `emulator_url` is None where `AWS_ENDPOINT_URL` names another emulator, or AWS itself. With our own
    emulator the user's AWS credentials and profile are left out: they are for AWS.
    """
    defaults = _defaults(secrets, url, database_url)
    given = {name: value for name, value in inherited.items() if value or name not in defaults}
    environment = defaults | given | {"LAMBKIN_HOME": str(home.root), "PYTHONUNBUFFERED": "1"}
    if emulator_url is None:
        environment.setdefault("AWS_DEFAULT_REGION", environment.get("AWS_REGION", REGION))
        if endpoint(environment) and not {"AWS_ACCESS_KEY_ID", "AWS_PROFILE"} & environment.keys():
            environment |= CREDENTIALS
        return environment
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        environment.pop(name, None)
    return environment | {
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": emulator_url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _defaults(secrets: Secrets, url: str, database_url: str) -> dict[str, str]:
    return {
        "STAGE": "local",
        "DATABASE_URL": database_url,
        "DATABASE_POOL_SIZE": "5",
        "PUBLIC_URL": url,
        "INTERNAL_URL": url,
        "FRONTEND_URL": url,
        "BUCKET": "lambkin",
        "QUEUE_PREFIX": "lambkin-",
        "MAIL_TRANSPORT": "ses",
        "MAIL_FROM": "lambkin@localhost.localdomain",
        "OLLAMA_URL": OLLAMA,
        "ENCRYPTION_KEYS": secrets.encryption_keys,
        "SERVER_SECRET": secrets.server_secret,
        "LOG_FORMAT": "console",
    }


def of_stack(home: Home, url: str, postgres_port: int, *, emulator_url: str | None = None) -> dict[str, str]:
    """What a command needs to reach the database of a running stack as its functions do.

    With `emulator_url`, its queues too: what the command enqueues is begun at once.
    """
    secrets = load_secrets(home)
    cluster = postgres.Cluster(home.postgres, home.postgres, None, postgres_port)
    database_url = cluster.url(secrets)
    return for_functions(home, secrets, url=url, database_url=database_url, emulator_url=emulator_url)


def ollama_advice() -> str:
    """What to do where Ollama does not answer."""
    if shutil.which("ollama"):
        return "Ollama is installed but does not answer: run `ollama serve`."
    return "Ollama is not installed: get it from https://ollama.com/download and run `ollama serve`."
