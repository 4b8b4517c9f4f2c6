"""The tasks of `auth`: a Lambda takes `handler`, a container runs this module."""

from common import personal_data
from common.jobs import JobContext, Tasks
from functions.auth import email_change, recovery, registration, sessions
from functions.auth import personal_data as own

tasks = Tasks("auth")


@tasks.task("notice_new_device")
def notice_new_device(job: JobContext) -> None:
    """Tell a person by mail of a sign-in from a device that is new to their account."""
    sessions.notice_new_device(job)


@tasks.task("register")
def register(job: JobContext) -> None:
    """Make an account and mail its link, or a notice to the owner of the address."""
    registration.register_asked(job)


@tasks.task("send_password_reset")
def send_password_reset(job: JobContext) -> None:
    """Mail a link that sets a new password, where the address is an account's."""
    recovery.send_password_reset(job)


@tasks.task("resend_verification")
def resend_verification(job: JobContext) -> None:
    """Mail another verification link, where the account needs one."""
    recovery.resend_verification(job)


@tasks.task("start_email_change")
def start_email_change(job: JobContext) -> None:
    """Mail the link that confirms another address, or a notice to whoever has it."""
    email_change.start_email_change(job)


@tasks.task("export_person")
def export_person(job: JobContext) -> None:
    """Write what `auth` knows of a person into their export."""
    personal_data.export_person(job, own.collect)


@tasks.task("erase_person", timeout_seconds=300)
def erase_person(job: JobContext) -> None:
    """Erase what `auth` knows of a person."""
    personal_data.erase_person(job, own.erase)


handler = tasks.handler

if __name__ == "__main__":
    tasks.serve()
