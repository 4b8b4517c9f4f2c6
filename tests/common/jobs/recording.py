"""A task whose effect is a row, and a look at it: shared by the tests and by the children that they kill."""

from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from common.database.transactions import Database
from common.jobs import JobContext, Tasks, enqueue

LEASE_SECONDS = 0.5


class Row(NamedTuple):
    """What the tests look at of a job."""

    state: str
    attempts: int
    last_error: str | None
    secret: str | None
    waits: timedelta
    finished: bool
    max_attempts: int


def make_tasks(lease: float = 60.0) -> Tasks:
    """Tasks of the worker, with one that writes an effect."""
    tasks = Tasks("worker")

    @tasks.task("record", timeout_seconds=lease)
    def record(job: JobContext) -> None:
        job.finish_with(lambda session: write_effect(session, job))

    return tasks


def write_effect(session: Session, job: JobContext) -> None:
    """The effect."""
    session.execute(
        text("insert into job_effects (job_id, attempt) values (:id, :attempt)"),
        {"id": str(job.id), "attempt": job.attempt},
    )


class Jobs:
    """The jobs of the test database, as its owner sees them."""

    def __init__(self) -> None:
        self.owner = Database("")

    def enqueue(self, task: str = "record", function: str = "worker", **options: Any) -> UUID:
        """Enqueue as the function `users` would."""
        return Database("users").transaction(lambda session: enqueue(session, function, task, **options))

    def row(self, job_id: UUID) -> Row:
        """The job's row."""
        statement = text(
            "select state, attempts, last_error, secret, run_at - now() as waits,"
            " finished_at is not null as finished, max_attempts from jobs where id = :id"
        )
        return self.owner.transaction(
            lambda session: Row(*session.execute(statement, {"id": str(job_id)}).one())
        )

    def effects(self, job_id: UUID) -> list[int]:
        """The attempts that left an effect."""
        statement = text("select attempt from job_effects where job_id = :id")
        return self.owner.transaction(
            lambda session: list(session.scalars(statement, {"id": str(job_id)}).all())
        )

    def count(self) -> int:
        """All jobs."""
        return int(self.owner.transaction(lambda session: session.scalar(text("select count(*) from jobs"))))

    def change(self, job_id: UUID, assignments: str) -> None:
        """`update jobs set <assignments>`, to let time pass."""
        statement = text(f"update jobs set {assignments} where id = :id")
        self.owner.transaction(lambda session: session.execute(statement, {"id": str(job_id)}))
