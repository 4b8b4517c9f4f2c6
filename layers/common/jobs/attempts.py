"""One attempt at a claimed job, from its claim to what is written about its end."""

import contextvars
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from common import error_reports, metrics, tracing
from common.context import RequestContext, enter_context
from common.database.transactions import get_database
from common.jobs.claims import Claim, bury, postpone
from common.jobs.job_context import JobContext
from common.jobs.outcomes import LeaseLost, Outcome, RetryLater, describe_error, is_unexpected
from common.logs import get_logger, trace

log = get_logger(__name__)

_FIRST_DELAY: Final = 10.0
_LONGEST_DELAY: Final = 3600.0

type Work = Callable[[JobContext], None]


@dataclass(frozen=True, slots=True)
class Task:
    """A kind of job: what does it, and how long one attempt may take before its lease ends."""

    work: Work
    lease: timedelta


def backoff(attempt: int) -> timedelta:
    """How long to wait after attempt 1, 2, …: 10 s, doubled up to an hour, less up to half of that."""
    longest = min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(attempt - 1, 20))
    # Jitter, so that what failed together does not come back together.
    return timedelta(seconds=longest * random.uniform(0.5, 1.0))  # noqa: S311 - no secret


def attempt(task: Task, held: Claim) -> Outcome:
    """Run `task` for a claimed job and write down how it ended. Raises only what the database raises."""
    return contextvars.copy_context().run(_attempt, task, held)


def _attempt(task: Task, held: Claim) -> Outcome:
    started = time.perf_counter()
    enter_context(_context(held))
    job = JobContext(held, task.lease)
    with tracing.job(held):
        error = _work(task, job)
        if error is not None and tracing.spans:
            tracing.spans.job_failed(error)
        outcome = _settle(job, error)
    _report(job, outcome, error, time.perf_counter() - started)
    return outcome


def _context(held: Claim) -> RequestContext:
    origin = held.origin
    ids = {name: UUID(origin[name]) for name in ("user_id", "session_id", "api_key_id") if name in origin}
    return RequestContext(
        function=held.function,
        method="JOB",
        path=held.task,
        request_id=held.request_id,
        client_address=origin.get("client_address", ""),
        user_agent=origin.get("user_agent", ""),
        user_id=ids.get("user_id"),
        session_id=ids.get("session_id"),
        api_key_id=ids.get("api_key_id"),
    )


def _work(task: Task, job: JobContext) -> Exception | None:
    try:
        job.open_secret()
        task.work(job)
        job.finish()
    except Exception as error:  # noqa: BLE001 - whatever a task raises is kept with its job
        return error
    return None


def _settle(job: JobContext, error: Exception | None) -> Outcome:
    if job.finished:
        return Outcome.DONE
    if error is None or isinstance(error, LeaseLost):
        return Outcome.LOST
    held, told = job.held, describe_error(error, job.secret)
    database = get_database(held.function)
    if job.is_lost_to(error):
        written = database.transaction(lambda session: bury(session, held, told))
        return Outcome.DEAD if written else Outcome.LOST
    wait = timedelta(seconds=error.seconds) if isinstance(error, RetryLater) else backoff(held.attempt)
    written = database.transaction(lambda session: postpone(session, held, wait, told))
    return Outcome.RETRIED if written else Outcome.LOST


def _report(job: JobContext, outcome: Outcome, error: Exception | None, seconds: float) -> None:
    held = job.held
    metrics.count(metrics.JOBS, function=held.function, task=held.task, outcome=str(outcome))
    metrics.observe(metrics.JOB_SECONDS, seconds, function=held.function, task=held.task)
    write = {Outcome.DONE: log.info, Outcome.RETRIED: log.warning}.get(outcome, log.error)
    details = {"error": describe_error(error, job.secret), "trace": trace(error)} if error else {}
    write(
        "job",
        task=held.task,
        job_id=str(held.id),
        outcome=str(outcome),
        attempt=held.attempt,
        duration_ms=round(seconds * 1000, 1),
        **details,
    )
    if error is not None and is_unexpected(error, outcome):
        error_reports.report(error, "job", job.secret)
    metrics.flush(held.function, held.request_id)
