"""Lambda's events: batches of SQS messages, and the ticks of a schedule."""

import contextvars
import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from common import error_reports, metrics, tracing
from common.context import RequestContext, enter_context
from common.database.faults import from_database_error
from common.errors import Unavailable
from common.jobs.outcomes import Outcome, describe_error, is_unexpected
from common.logs import get_logger, trace

if TYPE_CHECKING:
    from common.jobs.tasks import Tasks

log = get_logger(__name__)

_SCHEDULES: Final = ("aws.events", "aws.scheduler")
_TICK_SECONDS: Final = 20.0


def handle(tasks: "Tasks", event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """See `Tasks.handler`."""
    return contextvars.copy_context().run(_handle, tasks, event, context)


def _handle(tasks: "Tasks", event: Mapping[str, Any], context: object) -> dict[str, Any]:
    enter_context(RequestContext(function=tasks.function, method="EVENT"))
    try:
        return _answer(tasks, event, context)
    finally:
        metrics.flush(tasks.function)
        tracing.flush()
        error_reports.flush()


def _answer(tasks: "Tasks", event: Mapping[str, Any], context: object) -> dict[str, Any]:
    if "Records" in event:
        end = _end(context, float("inf"))
        failed = _messages(tasks, event["Records"], end)
        return {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}
    if event.get("source") in _SCHEDULES:
        _tick(tasks, _end(context, _TICK_SECONDS))
        return {"batchItemFailures": []}
    raise ValueError("neither a batch of SQS messages nor a tick of a schedule")


def _end(context: object, longest: float) -> float:
    """When to begin nothing new, on the monotonic clock: what was begun last has the other half."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    seconds = remaining() / 2000 if remaining else longest
    return time.monotonic() + min(longest, seconds)


def _messages(tasks: "Tasks", records: Sequence[Mapping[str, Any]], end: float) -> list[str]:
    """Run the jobs that the messages name; gives the ids of those to be delivered again."""
    with tracing.messages(tasks.function, [_carried(record) for record in records]):
        return _run_all(tasks, records, end)


def _carried(record: Mapping[str, Any]) -> str:
    """The trace that a message was sent in (W3C Trace Context)."""
    attributes = record.get("messageAttributes") or {}
    return str(attributes.get("traceparent", {}).get("stringValue") or "")


def _run_all(tasks: "Tasks", records: Sequence[Mapping[str, Any]], end: float) -> list[str]:
    failed: list[str] = []
    for number, record in enumerate(records):
        if time.monotonic() > end:
            return failed + [later["messageId"] for later in records[number:]]
        try:
            _message(tasks, record)
        except Exception as error:  # noqa: BLE001 - one message's failure leaves the others alone
            failed.append(record["messageId"])
            log.error("message_failed", error=describe_error(error, {}), trace=trace(error))  # noqa: TRY400 - a traceback's messages may hold what must not be logged
            if is_unexpected(error, Outcome.RETRIED):
                error_reports.report(error, "event")
            if isinstance(from_database_error(error), Unavailable):
                return failed + [later["messageId"] for later in records[number + 1 :]]
    return failed


def _message(tasks: "Tasks", record: Mapping[str, Any]) -> None:
    try:
        job_id = UUID(json.loads(record["body"])["job_id"])
    except (KeyError, TypeError, ValueError, AttributeError):
        # Delivered again it would be no better.
        metrics.count(metrics.MALFORMED_MESSAGES, function=tasks.function)
        log.error("message_malformed", message_id=record.get("messageId"))  # noqa: TRY400 - the body is a stranger's
        return
    # None: finished, another's, not due yet, or under way elsewhere. The row knows, the message may go.
    tasks.run_one(job_id)


def _tick(tasks: "Tasks", end: float) -> None:
    try:
        tasks.tend(announce=True)
        tasks.run_sweeps()
        while time.monotonic() < end and tasks.run_one():
            pass
    except Exception as error:  # noqa: BLE001 - the next tick tries again
        log.error("tick_failed", error=describe_error(error, {}), trace=trace(error))  # noqa: TRY400 - as above
        if is_unexpected(error, Outcome.RETRIED):
            error_reports.report(error, "event")
