"""The tasks of `auth`: a Lambda takes `handler`, a container runs this module."""

from common.jobs import JobContext, Tasks
from functions.auth import sessions

tasks = Tasks("auth")


@tasks.task("notice_new_device")
def notice_new_device(job: JobContext) -> None:
    """Tell a person by mail of a sign-in from a device that is new to their account."""
    sessions.notice_new_device(job)


handler = tasks.handler

if __name__ == "__main__":
    tasks.serve()
