"""A job handler that stops at a named point and says so, until its parent kills it.

    python -m tests.common.jobs.crashing_handler POINT JOB_ID

The points are injected here, by wrapping what the handler calls.
"""

import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

import common.jobs.events
import common.jobs.tasks
from common.jobs import JobContext
from tests.common.jobs import recording
from tests.common.jobs.wake_ups import as_event

POINTS: dict[str, tuple[Any, str, str]] = {
    "within the claim": (common.jobs.tasks, "claim", "after"),
    "after the claim": (common.jobs.tasks, "attempt", "before"),
    "in the task": (JobContext, "finish_with", "before"),
    "before the effect": (recording, "write_effect", "before"),
    "after the effect": (recording, "write_effect", "after"),
    "after the commit": (JobContext, "finish_with", "after"),
    "before the acknowledgement": (common.jobs.events, "handle", "after"),
}


def stop() -> None:
    """Tell the parent, then wait for a line that never comes."""
    print("stopped", flush=True)  # noqa: T201 - the parent reads it
    sys.stdin.readline()


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


def main() -> None:
    """Handle one message."""
    point, job_id = sys.argv[1:]
    wrap(*POINTS[point])
    recording.make_tasks(recording.LEASE_SECONDS).handler(as_event(UUID(job_id)))


if __name__ == "__main__":
    main()
