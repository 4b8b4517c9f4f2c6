"""Calling a function of a stage as the proxy in front of it does: with the origin secret of the stage."""

import json
from collections.abc import Callable
from typing import Any, Final

from common.origin import HEADER, PROBE
from infra.deploy.secrets import secret_name
from infra.deploy.stages import Stage

_KEY: Final = "value"
# There is none, or it was deleted with its distribution and is kept for a while.
_ABSENT: Final = frozenset({"ResourceNotFoundException", "InvalidRequestException"})


def as_through_the_proxy(stage: Stage, event: object, say: Callable[[str], None]) -> object:
    """The event as the proxy of this stage would send it; as it is without a proxy, or where it is no HTTP.

    `say` is told where the secret may not be read; it is never shown.
    """
    if not isinstance(event, dict) or "requestContext" not in event or PROBE.fullmatch(_path(event)):
        return event
    headers = event.get("headers") or {}
    if HEADER.decode() in {name.lower() for name in headers}:
        return event
    secret = _secret(stage, say)
    return {**event, "headers": {**headers, HEADER.decode(): secret}} if secret else event


def _path(event: dict[str, Any]) -> str:
    return str(event.get("rawPath", ""))


def _secret(stage: Stage, say: Callable[[str], None]) -> str | None:
    from botocore.exceptions import ClientError

    name = secret_name(stage, "origin")
    try:
        told = stage.client("secretsmanager").get_secret_value(SecretId=name)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code not in _ABSENT:
            say(f"The secret {name} cannot be read ({code}): a stage behind CloudFront answers 403 without.")
        return None
    found = json.loads(told["SecretString"]).get(_KEY)
    return str(found) if found else None
