"""A job handler that stops at a named point, where it is killed.

The points are injected here, by wrapping what the handler calls.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import common.jobs.events
import common.jobs.tasks
from common.jobs import JobContext
from tests.common.jobs import recording
from tests.common.jobs.wake_ups import as_event
from tests.support.killed import stop

POINTS: dict[str, tuple[Any, str, str]] = {
    "within the claim": (common.jobs.tasks, "claim", "after"),
    "after the claim": (common.jobs.tasks, "attempt", "before"),
    "in the task": (JobContext, "finish_with", "before"),
    "before the effect": (recording, "write_effect", "before"),
    "after the effect": (recording, "write_effect", "after"),
    "after the commit": (JobContext, "finish_with", "after"),
    "before the acknowledgement": (common.jobs.events, "handle", "after"),
}


def wrap(place: Any, name: str, when: str) -> None:
    """Stop before or after `place.name` does its work."""
    inner: Callable[..., Any] = getattr(place, name)

    def stopping(*args: Any, **options: Any) -> Any:
        if when == "before":
            stop()
        result = inner(*args, **options)
        if when == "after":
            stop()
        return result

    setattr(place, name, stopping)


def handle(point: str, job_id: str) -> None:
    """Handle one message, and stop at this point."""
    wrap(*POINTS[point])
    recording.make_tasks(recording.LEASE_SECONDS).handler(as_event(UUID(job_id)))
