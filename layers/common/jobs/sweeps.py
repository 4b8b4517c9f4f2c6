"""What runs by the clock."""

import contextvars
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from common import error_reports, metrics
from common.context import RequestContext, enter_context
from common.database.transactions import get_database
from common.jobs.backlog import measure_backlog
from common.jobs.claims import LostJob, count_unknown, reannounce, release_lost
from common.jobs.outcomes import Outcome, describe_error, is_unexpected
from common.logs import get_logger, trace

log = get_logger(__name__)

_BATCH: Final = 100
_SILENCE: Final = timedelta(seconds=60)


@dataclass
class Sweep:
    """Something to do about every `seconds`; `due` is on the monotonic clock of this process."""

    name: str
    work: Callable[[], None]
    seconds: float
    due: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run_if_due(self, function: str) -> None:
        """Run it unless it is too early or under way; its failure is logged."""
        if time.monotonic() < self.due or not self.lock.acquire(blocking=False):
            return
        try:
            self.due = time.monotonic() + self.seconds
            contextvars.copy_context().run(self._run, function)
        finally:
            self.lock.release()

    def _run(self, function: str) -> None:
        enter_context(RequestContext(function=function, method="SWEEP", path=self.name))
        try:
            self.work()
        except Exception as error:  # noqa: BLE001 - the next tick tries again
            metrics.count(metrics.SWEEP_FAILURES, function=function, sweep=self.name)
            log.error("sweep_failed", sweep=self.name, error=describe_error(error, {}), trace=trace(error))  # noqa: TRY400 - a traceback's messages may hold what must not be logged
            if is_unexpected(error, Outcome.RETRIED):
                error_reports.report(error, "sweep")


def tend(function: str, tasks: Sequence[str], *, announce: bool) -> None:
    """Look after the jobs of `function`: see `Tasks.tend`."""
    database = get_database(function)
    for lost in database.transaction(lambda session: release_lost(session, function, _BATCH)):
        _report_lost(function, lost)
    if announce:
        number = database.transaction(lambda session: reannounce(session, function, tasks, _SILENCE, _BATCH))
        if number:
            log.info("jobs_announced_again", number=number)
    measure_backlog(function)
    for task, number in database.transaction(lambda session: count_unknown(session, function, tasks)):
        # A newer release may have enqueued them: they wait for it to arrive here as well.
        log.warning("jobs_of_unknown_task", task=task, number=number)


def _report_lost(function: str, lost: LostJob) -> None:
    outcome = Outcome.DEAD if lost.dead else Outcome.LOST
    metrics.count(metrics.JOBS, function=function, task=lost.task, outcome=outcome)
    log.error("job_lost", task=lost.task, job_id=str(lost.id), outcome=str(outcome))
