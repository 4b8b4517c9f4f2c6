"""The migrate function: a plain Lambda handler, invoked once by a deployment before its functions."""

from collections.abc import Mapping
from typing import Any

from common.logs import configure_logs
from common.settings import secret_settings
from migrations import runner


def handler(event: Mapping[str, Any], context: object) -> dict[str, str]:  # noqa: ARG001 - Lambda's signature
    """Upgrade the database to this code's head; returns `{"revision": ...}`.

    Raises MigrationError, with which the invocation fails and the deployment stops.
    """
    configure_logs()
    runner.upgrade(secret_settings().database_url)
    return {"revision": runner.head_revision()}
