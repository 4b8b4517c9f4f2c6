"""Work to be done after the request: enqueued in its transaction, run by the function that owns the task.

The row in `jobs` is the truth and a message a wake-up; docs/jobs.md has the rules and the guarantees.
"""

from common.jobs.dead_letters import DeadJob, delete_finished, list_dead, rerun
from common.jobs.job_context import JobContext
from common.jobs.outbox import enqueue
from common.jobs.outcomes import LeaseLost, Permanent, RetryLater
from common.jobs.queues import queue_probe
from common.jobs.tasks import Tasks

__all__ = [
    "DeadJob",
    "JobContext",
    "LeaseLost",
    "Permanent",
    "RetryLater",
    "Tasks",
    "delete_finished",
    "enqueue",
    "list_dead",
    "queue_probe",
    "rerun",
]
