"""The tasks of `users`: a Lambda takes `handler`, a container runs this module."""

from uuid import UUID

from common import personal_data
from common.database import get_database
from common.jobs import JobContext, Tasks
from functions.users import archives, bulk_invitations, erasure
from functions.users import personal_data as own

tasks = Tasks("users")


@tasks.task(bulk_invitations.TASK, timeout_seconds=120)
def invite_lines(job: JobContext) -> None:
    """Invite the people of some lines of a list."""
    bulk_invitations.work_off(job)


@tasks.every(seconds=3600)
def forget_old_lists() -> None:
    """Delete old lists with their reports."""
    bulk_invitations.forget_old(get_database("users"))


@tasks.task("erase_account")
def erase_account(job: JobContext) -> None:
    """Begin the erasure of an account, unless its deletion was undone or announced anew."""
    job.finish_with(lambda session: erasure.begin_for(session, UUID(job.payload["user_id"])))


@tasks.task("erase_person", timeout_seconds=300)
def erase_person(job: JobContext) -> None:
    """Erase what `users` knows of a person, but for the account itself."""
    erasure.erase_own(job)


@tasks.task("finish_erasure")
def finish_erasure(job: JobContext) -> None:
    """Empty the account once all functions have erased what they knew."""
    user_id, functions = UUID(job.payload["user_id"]), job.payload["functions"]
    job.finish_with(lambda session: erasure.finish(session, user_id, functions))


@tasks.task("export_person")
def export_person(job: JobContext) -> None:
    """Write what `users` knows of a person into their export."""
    personal_data.export_person(job, own.collect)


@tasks.task("assemble_export", timeout_seconds=300)
def assemble_export(job: JobContext) -> None:
    """Make the archive of an export whose parts are complete."""
    archives.assemble(job)


@tasks.task("fail_export")
def fail_export(job: JobContext) -> None:
    """Give up an export of which a function could not write its part."""
    user_id, export_id = UUID(job.payload["user_id"]), UUID(job.payload["export_id"])
    job.finish_with(lambda session: archives.fail(session, user_id, export_id))


@tasks.every(seconds=600)
def sweep_exports() -> None:
    """Remove the archives that have expired."""
    archives.sweep(get_database("users"))


@tasks.every(seconds=3600)
def look_after_erasures() -> None:
    """Tell operators of erasures that do not come to their end."""
    erasure.look_after_overdue(get_database("users"))


handler = tasks.handler

if __name__ == "__main__":
    tasks.serve()
