"""A handler that works a list off and stops at a named point, where it is killed.

The points are injected here, by wrapping what the handler calls; the second line is the one that is hit.
"""

from datetime import timedelta
from itertools import count
from typing import Any, Final
from uuid import UUID

from common.jobs import JobContext
from functions.users import bulk_invitations, jobs
from functions.users.repository import bulk_invitations as stored
from tests.support.killed import stop

LEASE: Final = timedelta(seconds=0.5)
POINTS: Final[dict[str, tuple[Any, str, str]]] = {
    "before an account": (bulk_invitations, "invite", "before"),
    "after an account and its mail": (bulk_invitations, "invite", "after"),
    "before a line's outcome": (stored, "settle_line", "before"),
    "after a line's outcome": (stored, "settle_line", "after"),
    "before the next line": (stored, "next_line", "before"),
    "before the end": (JobContext, "finish_with", "before"),
    "within the end": (bulk_invitations, "_go_on", "after"),
    "after the end": (JobContext, "finish_with", "after"),
}
# These happen once in an attempt.
ONCE: Final = frozenset({"before the end", "within the end", "after the end"})


def wrap(point: str) -> None:
    """Stop before or after the second time, or the only one."""
    place, name, when = POINTS[point]
    inner, calls, last = getattr(place, name), count(1), 1 if point in ONCE else 2

    def stopping(*args: Any, **options: Any) -> Any:
        number = next(calls)
        if when == "before" and number == last:
            stop()
        result = inner(*args, **options)
        if when == "after" and number == last:
            stop()
        return result

    setattr(place, name, stopping)


def handle(point: str, job_id: str) -> None:
    """Run one job, and stop at this point."""
    wrap(point)
    jobs.tasks.registered[bulk_invitations.TASK] = type(jobs.tasks.registered[bulk_invitations.TASK])(
        bulk_invitations.work_off, LEASE
    )
    jobs.tasks.run_one(UUID(job_id))
