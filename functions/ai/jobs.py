"""The tasks of `ai`: a Lambda takes `handler`, a container runs this module."""

from common import personal_data
from common.database import get_database
from common.jobs import JobContext, Tasks
from functions.ai import admission, asides, pulling, pulls, sweeping
from functions.ai import personal_data as own

tasks = Tasks("ai")


@tasks.task("export_person")
def export_person(job: JobContext) -> None:
    """Write what `ai` knows of a person for their export."""
    personal_data.export_person(job, own.collect)


@tasks.task("erase_person", timeout_seconds=300)
def erase_person(job: JobContext) -> None:
    """Erase what `ai` keeps of a person."""
    personal_data.erase_person(job, own.erase)


@tasks.task("title_conversation", timeout_seconds=120)
def title_conversation(job: JobContext) -> None:
    """Give a conversation a title."""
    asides.title_conversation(job)


@tasks.task("summarise_conversation", timeout_seconds=300)
def summarise_conversation(job: JobContext) -> None:
    """Keep in short what was said in a conversation that grows too long for its model."""
    asides.summarise_conversation(job)


@tasks.every(seconds=15)
def sweep_generations() -> None:
    """Mark what processes that are gone were generating, and forget what nobody can come back to."""
    sweeping.sweep()


@tasks.task(pulls.TASK, timeout_seconds=pulling.LEASE_SECONDS)
def pull_models(job: JobContext) -> None:
    """Have Ollama fetch the models that wait for it."""
    pulling.pull_models(job)


@tasks.every(seconds=60)
def tend_pulls() -> None:
    """Have somebody fetch models that wait."""
    pulling.tend(get_database("ai"))


@tasks.every(seconds=30)
def sweep_reservations() -> None:
    """Count requests whose processes are gone."""
    admission.sweep(get_database("ai"))


@tasks.every(seconds=3600)
def forget_usage() -> None:
    """Forget what was used long ago."""
    admission.forget(get_database("ai"))


handler = tasks.handler

if __name__ == "__main__":
    tasks.serve()
