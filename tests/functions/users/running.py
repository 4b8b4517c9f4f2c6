"""Jobs about one person, run in this process as their handlers would run them."""

from importlib import import_module
from typing import Any
from uuid import UUID

from tests.support.world import World

_DUE = """
    select id, function from jobs where state = 'queued' and run_at <= now()
    and function in ('auth', 'users', 'files', 'ai') and payload->>'user_id' = :id order by run_at, id
"""


def run_job(job_id: UUID, function: str) -> Any:
    """One attempt at a job; how it ended, None where it was not to be had."""
    return import_module(f"functions.{function}.jobs").tasks.run_one(job_id)


def run_due(world: World, person: UUID) -> list[str]:
    """Run the jobs about a person that are due, and those that they lead to; how each ended."""
    ended = []
    while due := world.rows(_DUE, id=str(person)):
        ended += [str(run_job(job.id, job.function)) for job in due]
    return ended


def due_now(world: World, person: UUID) -> int:
    """Let the time of all waiting jobs about a person come; how many there are."""
    return world.run(
        "update jobs set run_at = now() where state = 'queued' and payload->>'user_id' = :id", id=str(person)
    )
