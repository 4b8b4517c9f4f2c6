"""Secrets by reference: a setting `secret:NAME#KEY` is the member KEY of a JSON secret in Secrets Manager.

They are read on first use and not at import: while an instance is being made, Lambda's extension does not
answer yet. The extension first, as asking it costs no import; boto3 where there is none. A process keeps what
it has read until it ends.
"""

import json
import os
import threading
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from common.aws import aws_client
from common.errors import Unavailable
from common.logs import get_logger
from common.settings import MAY_REFER, REFERENCE, Settings, sentence

log = get_logger(__name__)

EXTENSION_PORT: Final = "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"
_TIMEOUT_SECONDS: Final = 3.0


class SecretUnusable(Unavailable):
    """A reference leads nowhere, or to what does not fit; `reason` names it, and is for operators alone."""

    def __init__(self, reason: str = "") -> None:
        """The log has the reason; clients are told to come back."""
        super().__init__(retry_after=30)
        self.reason = reason
        if reason:
            log.error("secret_unusable", reason=reason)


_lock = threading.Lock()
_resolved: tuple[Settings, Settings] | None = None


def resolved(settings: Settings) -> Settings:
    """These settings with the secrets in place of the references to them, read once per process.

    Raises Unavailable where Secrets Manager does not answer, SecretUnusable where a reference leads nowhere.
    """
    global _resolved  # noqa: PLW0603 - a cache of this process
    known = _resolved
    if known is None or known[0] is not settings:
        with _lock:
            known = _resolved
            if known is None or known[0] is not settings:
                known = _resolved = (settings, _with_secrets(settings))
    return known[1]


def _with_secrets(settings: Settings) -> Settings:
    references = {name: reference for name in MAY_REFER if (reference := _reference(settings, name))}
    secrets: dict[str, Mapping[str, Any]] = {}
    found: dict[str, Any] = {}
    for name, (secret, key) in references.items():
        if secret not in secrets:
            secrets[secret] = _read(secret)
        if key not in secrets[secret]:
            raise SecretUnusable(f"{name.upper()}: the secret {secret} has no {key}.")
        found[name] = secrets[secret][key]
    try:
        return Settings.model_validate(settings.model_dump() | found)
    except ValidationError as error:
        raise SecretUnusable(f"{sentence(error)}") from None


def _reference(settings: Settings, name: str) -> tuple[str, str] | None:
    value = getattr(settings, name)
    value = value[0] if isinstance(value, tuple) and len(value) == 1 else value
    if not isinstance(value, str) or not value.startswith(REFERENCE):
        return None
    secret, _, key = value.removeprefix(REFERENCE).rpartition("#")
    if not secret or not key:
        raise SecretUnusable(f"{name.upper()}: must look like secret:NAME#KEY.")
    return secret, key


def _read(secret: str) -> Mapping[str, Any]:
    text = _from_extension(secret) or _from_service(secret)
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise SecretUnusable(f"The secret {secret} is no JSON object.")
    return found


def _from_extension(secret: str) -> str | None:
    """What the AWS Parameters and Secrets Lambda Extension answers; None where it is not there or refuses."""
    port, token = os.environ.get(EXTENSION_PORT), os.environ.get("AWS_SESSION_TOKEN")
    if not port or not token:
        return None
    from http.client import HTTPConnection, HTTPException
    from urllib.parse import quote

    connection = HTTPConnection("localhost", int(port), timeout=_TIMEOUT_SECONDS)
    try:
        path = f"/secretsmanager/get?secretId={quote(secret, safe='')}"
        connection.request("GET", path, headers={"X-Aws-Parameters-Secrets-Token": token})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status == 200:
            return str(json.loads(body)["SecretString"])
        log.warning("secrets_extension_refused", status=answer.status)
    except (OSError, HTTPException, ValueError, KeyError) as error:
        log.warning("secrets_extension_failed", error=type(error).__name__)
    finally:
        connection.close()
    return None


def _from_service(secret: str) -> str:
    """What Secrets Manager answers. Raises Unavailable."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = aws_client("secretsmanager", timeout_seconds=_TIMEOUT_SECONDS).get_secret_value(
            SecretId=secret
        )
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in ("ResourceNotFoundException", "AccessDeniedException"):
            raise SecretUnusable(f"The secret {secret} cannot be read: {code}.") from None
        raise Unavailable(retry_after=5) from error
    except BotoCoreError as error:
        raise Unavailable(retry_after=5) from error
    return str(answer["SecretString"])
