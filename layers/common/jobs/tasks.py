"""The registry of the tasks that a function owns, and the ways to run what is due."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from common import error_reports, tracing
from common.database.transactions import get_database
from common.jobs import events, polling
from common.jobs.attempts import Task, Work, attempt
from common.jobs.claims import claim
from common.jobs.outcomes import Outcome
from common.jobs.sweeps import Sweep, tend
from common.logs import configure_logs
from common.settings import get_settings


class Tasks:
    """The tasks of one function: what it does with a job, and what it does by the clock.

    `handler` is the Lambda entry of the function's `jobs.py`, `serve` that of its container.
    """

    def __init__(self, function: str) -> None:
        """Nothing is connected before the first event."""
        self.function = function
        self.registered: dict[str, Task] = {}
        self.sweeps: list[Sweep] = []

    def task(self, name: str, *, timeout_seconds: float = 60.0) -> Callable[[Work], Work]:
        """Register the decorated function as what does the jobs called `name`.

        After `timeout_seconds` without an end or `job.extend()` another handler may take the job over.
        """
        if name in self.registered:
            raise ValueError(f"{self.function} has a task {name!r} already")

        def register(work: Work) -> Work:
            self.registered[name] = Task(work, timedelta(seconds=timeout_seconds))
            return work

        return register

    def every(self, *, seconds: float) -> Callable[[Callable[[], None]], Callable[[], None]]:
        """Run the decorated function about every `seconds`, in each process: so it must bear repetition."""

        def register(work: Callable[[], None]) -> Callable[[], None]:
            self.sweeps.append(Sweep(work.__name__, work, seconds))
            return work

        return register

    def run_one(self, job_id: UUID | None = None) -> Outcome | None:
        """Claim and run the job with this id, or the one due first; None where there is none to take."""
        if not self.registered:
            return None
        leases = {name: task.lease for name, task in self.registered.items()}
        held = get_database(self.function).transaction(
            lambda session: claim(session, self.function, leases, job_id)
        )
        return attempt(self.registered[held.task], held) if held else None

    def run_sweeps(self) -> None:
        """Run those sweeps whose time has come; one that fails is logged and leaves the others alone."""
        for sweep in self.sweeps:
            sweep.run_if_due(self.function)

    def tend(self, *, announce: bool = False) -> None:
        """Take jobs back whose handler was lost; with `announce`, send lost wake-ups again."""
        tend(self.function, list(self.registered), announce=announce)

    def handler(self, event: dict[str, Any], context: object = None) -> dict[str, Any]:
        """Answer a batch of SQS messages or a tick of the schedule.

        Gives `{"batchItemFailures": [...]}`: the messages that should be delivered again. Raises ValueError
        for an event of another kind.
        """
        self._start()
        return events.handle(self, event, context)

    def poll(self, stop: threading.Event, interval: float = 1.0, threads: int = 2) -> None:
        """Run due jobs and sweeps until `stop`, and then end what is under way.

        Each of the `threads` looks for a job every `interval` seconds, and at once after it had one.
        """
        self._start()
        polling.poll(self, stop, interval, threads)

    @staticmethod
    def _start() -> None:
        configure_logs()
        tracing.start()
        error_reports.start()

    def serve(self) -> None:
        """`poll` until SIGTERM or SIGINT: the entry of a container."""
        from common.jobs.metrics_server import metrics_server

        self._start()
        stop = threading.Event()
        polling.stop_on_signals(stop)
        with metrics_server(get_settings().metrics_port):
            self.poll(stop)
