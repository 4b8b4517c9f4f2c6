"""The tasks of `users`: a Lambda takes `handler`, a container runs this module."""

from common.database import get_database
from common.jobs import JobContext, Tasks
from functions.users import bulk_invitations

tasks = Tasks("users")


@tasks.task(bulk_invitations.TASK, timeout_seconds=120)
def invite_lines(job: JobContext) -> None:
    """Invite the people of some lines of a list."""
    bulk_invitations.work_off(job)


@tasks.every(seconds=3600)
def forget_old_lists() -> None:
    """Delete old lists with their reports."""
    bulk_invitations.forget_old(get_database("users"))


handler = tasks.handler

if __name__ == "__main__":
    tasks.serve()
