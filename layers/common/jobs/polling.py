"""Jobs without a queue: Postgres is asked for what is due."""

import signal
import threading
from typing import TYPE_CHECKING, Final

from common.context import RequestContext, enter_context
from common.jobs.outcomes import describe_error
from common.jobs.sweeps import Sweep
from common.logs import get_logger

if TYPE_CHECKING:
    from common.jobs.tasks import Tasks

log = get_logger(__name__)

_TEND_SECONDS: Final = 30.0
_LONGEST_PAUSE: Final = 15.0


def poll(tasks: "Tasks", stop: threading.Event, interval: float, threads: int) -> None:
    """See `Tasks.poll`."""
    workers = [
        threading.Thread(target=_work, args=(tasks, stop, interval), name=f"jobs-{tasks.function}-{number}")
        for number in range(threads)
    ]
    for worker in workers:
        worker.start()
    tend = Sweep("tend_jobs", tasks.tend, _TEND_SECONDS)
    while not stop.is_set():
        tend.run_if_due(tasks.function)
        tasks.run_sweeps()
        stop.wait(interval)
    for worker in workers:
        worker.join()


def _work(tasks: "Tasks", stop: threading.Event, interval: float) -> None:
    enter_context(RequestContext(function=tasks.function, method="POLL"))
    failures = 0
    while not stop.is_set():
        try:
            found = tasks.run_one() is not None
        except Exception as error:  # noqa: BLE001 - the database may be back at the next look
            failures += 1
            log.error("polling_failed", failures=failures, error=describe_error(error, {}))  # noqa: TRY400 - a traceback's message may hold what must not be logged
            stop.wait(min(_LONGEST_PAUSE, interval * 2.0 ** min(failures, 10)))
        else:
            failures = 0
            if not found:
                stop.wait(interval)


def stop_on_signals(stop: threading.Event) -> None:
    """Set `stop` on SIGTERM and SIGINT; only from the main thread."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
