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
from common.secrets import SecretUnusable
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
    kind, known = event.get("RequestType"), event.get("PhysicalResourceId", "")
    here = f"schema of {event.get('ResourceProperties', {}).get('Release', '')}"
    answer = {"Status": "SUCCESS", "PhysicalResourceId": known or here, **copied}
    # What the functions have written stays when the stack is deleted.
    if kind == "Delete":
        return answer
    # A deployment that failed is taken back to the release that was migrated for: there is nothing to do, and
    # what failed, the database being away for example, must not fail that as well.
    if kind == "Update" and known == here:
        return {**answer, "Data": {"Revision": "unchanged"}}
    try:
        revision = _revision()
    except (Exception, SettingsError) as error:
        log.exception("migration_failed")
        return {**answer, "Status": "FAILED", "Reason": _told(error)[:_LONGEST_REASON]}
    return {**answer, "PhysicalResourceId": here, "Data": {"Revision": revision}}


def _told(error: BaseException) -> str:
    if isinstance(error, SecretUnusable):
        return error.reason
    return str(error) if isinstance(error, _SENTENCES) else f"{type(error).__name__}: see the log."


def _revision() -> str:
    try:
        return str(_run("up", None)["revision"])
    except UnknownRevision:
        # Older code than the schema is for, which the functions of before can bear.
        log.warning("schema_is_ahead", head=runner.head_revision())
        return "ahead"


def _tell(address: str, answer: dict[str, Any]) -> None:
    # The address is presigned for a request without a type.
    request = urllib.request.Request(  # noqa: S310 - from CloudFormation
        address, data=json.dumps(answer).encode(), method="PUT", headers={"Content-Type": ""}
    )
    with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS):  # noqa: S310 - the same
        pass
