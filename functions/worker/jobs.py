"""The worker's tasks: a Lambda takes `handler`, a container runs this module."""

from common.database import get_database
from common.jobs import JobContext, Tasks
from functions.worker import service

tasks = Tasks("worker")


@tasks.task("send_mail", timeout_seconds=120)
def send_mail(job: JobContext) -> None:
    """Send one mail; at least once, as no server can be asked whether it has it already."""
    service.send_mail(job)


@tasks.every(seconds=300)
def sweep_expired() -> None:
    """Delete what has expired, in all tables."""
    service.sweep_expired(get_database("worker"))


handler = tasks.handler

if __name__ == "__main__":
    tasks.serve()
