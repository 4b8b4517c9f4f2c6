"""The migrate function: invoked by a deployment before any function changes.

A deployment asks through CloudFormation, as a custom resource, and hears the answer at an address of its own;
whoever invokes the function directly gets the answer back.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

import json
import urllib.request
from collections.abc import Mapping
from typing import Any, Final

from common.errors import AppError
from common.logs import configure_logs, get_logger
from common.settings import SettingsError, secret_settings
from migrations import runner
from migrations.errors import MigrationError, UnknownRevision

log = get_logger("migrations")

_ANSWER_SECONDS: Final = 30.0
# What is said by these holds no secret.
_SENTENCES: Final = (MigrationError, SettingsError, AppError)
_LONGEST_REASON: Final = 1000  # CloudFormation takes 4 KB in all


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Do what `{"command": "up" | "down" | "status" | "check", "revision": …}` says; or up to the head.

    Returns where the database is then: `{"revision", "head", "pending": [{"id", "title"}]}`. Raises
    MigrationError, with which the invocation fails. To CloudFormation a failure is told instead, and the
    deployment stops.
    """
    if "ResponseURL" not in event:
        return _run(str(event.get("command", "up")), event.get("revision"))
    answer = _answer(event)
    _tell(str(event["ResponseURL"]), answer)
    return {"status": answer["Status"]}


def _run(command: str, revision: str | None) -> dict[str, Any]:
    configure_logs()
    url = secret_settings().database_url
    match command, revision:
        case "up", _:
            runner.upgrade(url, revision or "head")
        case "down", str():
            runner.downgrade(url, revision)
        case "check", _:
            runner.check(url)
        case "status", _:
            pass
        case _:
            raise MigrationError("The command is up, down with a revision, status or check.")
    found = runner.status(url)
    pending = [{"id": each.id, "title": each.title} for each in found.pending]
    return {"revision": found.current, "head": found.head, "pending": pending}


def _answer(event: Mapping[str, Any]) -> dict[str, Any]:
    copied = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    answer = {"Status": "SUCCESS", "PhysicalResourceId": "schema", **copied}
    # What the functions have written stays when the stack is deleted.
    if event.get("RequestType") == "Delete":
        return answer
    try:
        return {**answer, "Data": {"Revision": _run("up", None)["revision"]}}
    except UnknownRevision:
        # A deployment is taken back. The schema stays ahead, which the functions of before can bear.
        log.warning("schema_is_ahead", head=runner.head_revision())
        return {**answer, "Data": {"Revision": "ahead"}}
    except (Exception, SettingsError) as error:
        log.exception("migration_failed")
        told = str(error) if isinstance(error, _SENTENCES) else f"{type(error).__name__}: see the log."
        return {**answer, "Status": "FAILED", "Reason": told[:_LONGEST_REASON]}


def _tell(address: str, answer: dict[str, Any]) -> None:
    # The address is presigned for a request without a type.
    request = urllib.request.Request(  # noqa: S310 - from CloudFormation
        address, data=json.dumps(answer).encode(), method="PUT", headers={"Content-Type": ""}
    )
    with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS):  # noqa: S310 - the same
        pass
