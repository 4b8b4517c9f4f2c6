"""The tasks of `files`: a Lambda takes `handler`, a container runs this module."""

from functools import partial

from common import personal_data
from common.database import get_database
from common.jobs import JobContext, Tasks
from functions.files import personal_data as own
from functions.files import processing, removal, task_names

tasks = Tasks("files")


@tasks.task(task_names.PROCESS, timeout_seconds=300)
def process_content(job: JobContext) -> None:
    """Look at a content: what it is, its metadata, its renditions."""
    processing.process(job)


@tasks.task(task_names.REMOVE, timeout_seconds=120)
def remove_objects(job: JobContext) -> None:
    """Remove what nothing of an owner needs any more."""
    removal.remove_objects(job)


@tasks.task("export_person")
def export_person(job: JobContext) -> None:
    """Write what `files` knows of a person for their export."""
    personal_data.export_person(job, own.collect)


@tasks.task("erase_person", timeout_seconds=300)
def erase_person(job: JobContext) -> None:
    """Erase what `files` keeps of a person."""
    personal_data.erase_person(job, partial(own.erase, deleted=own.erase_in_parts(job)))


@tasks.every(seconds=600)
def sweep_uploads() -> None:
    """End uploads that took too long."""
    removal.sweep_uploads(get_database("files"))


@tasks.every(seconds=3600)
def sweep_trash() -> None:
    """Delete what has been in the trash for long."""
    removal.sweep_trash(get_database("files"))


@tasks.every(seconds=600)
def sweep_objects() -> None:
    """Remove from the bucket what nothing refers to."""
    removal.sweep_objects(get_database("files"))


handler = tasks.handler

if __name__ == "__main__":
    tasks.serve()
