"""The secrets of a stage: one for each function, with its own role's way into the database."""

import json
import os
import secrets as random
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Final

from sqlalchemy import URL

from common.database.roles import role_name, role_password
from common.functions import FUNCTIONS
from infra.build.targets import MIGRATE
from infra.deploy.stages import Client, Stage

_SHARED: Final = ("SERVER_SECRET", "ENCRYPTION_KEYS")
_OLLAMA_HEADERS: Final = "OLLAMA_HEADERS"
_ASKING_OLLAMA: Final = ("ai", "health")


def secret_name(stage: Stage, function: str) -> str:
    """What Secrets Manager calls the secret of a function."""
    return f"lambkin/{stage.name}/{function}"


def keep(stage: Stage, owner: URL, say: Callable[[str], None]) -> None:
    """Write the secret of each function; what all share is kept as it is, or made.

    The passwords of the functions' roles are derived from the owner's, as the migration sets them.
    """
    client = stage.client("secretsmanager")
    known = _read(client, secret_name(stage, MIGRATE))
    shared = {name: known.get(name) or os.environ.get(name) or made for name, made in _made()}
    for function, url in _urls(owner):
        name = secret_name(stage, function)
        own = _of_ollama(client, name) if function in _ASKING_OLLAMA else {}
        value = {"DATABASE_URL": url.render_as_string(hide_password=False), **shared, **own}
        say(f"{name}: {_write(client, name, json.dumps(value))}")


def _of_ollama(client: Client, name: str) -> dict[str, str]:
    """What a proxy in front of Ollama wants: as the environment has it, or as it is kept, or nothing."""
    found = os.environ.get(_OLLAMA_HEADERS) or _read(client, name).get(_OLLAMA_HEADERS)
    return {_OLLAMA_HEADERS: found} if found else {}


def _urls(owner: URL) -> Iterator[tuple[str, URL]]:
    yield MIGRATE, owner
    for function in FUNCTIONS:
        yield function, owner.set(username=role_name(function), password=role_password(owner, function))


def _made() -> Iterator[tuple[str, str]]:
    yield _SHARED[0], random.token_urlsafe(48)
    yield _SHARED[1], f"first:{b64encode(random.token_bytes(32)).decode()}"


def _read(client: Client, name: str) -> dict[str, str]:
    from botocore.exceptions import ClientError

    try:
        found: dict[str, str] = json.loads(client.get_secret_value(SecretId=name)["SecretString"])
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ResourceNotFoundException":
            raise
        return {}
    return found


def _write(client: Client, name: str, value: str) -> str:
    if _read(client, name):
        client.put_secret_value(SecretId=name, SecretString=value)
        return "replaced"
    client.create_secret(Name=name, SecretString=value, Description="Lambkin: see docs/deployment.md")
    return "made"
