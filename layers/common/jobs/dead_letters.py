"""What an operator sees of jobs that failed for good, and how long finished ones are kept."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from common.jobs.outbox import announce_after_commit, announcement
from common.models import Job


@dataclass(frozen=True, slots=True)
class DeadJob:
    """A job that is not tried again by itself; its secret is not shown."""

    id: UUID
    function: str
    task: str
    payload: dict[str, Any]
    attempts: int
    last_error: str | None
    request_id: str
    created_at: datetime
    finished_at: datetime


def list_dead(session: Session, function: str | None = None, limit: int = 100) -> list[DeadJob]:
    """The dead jobs, of one function or of all, the latest first."""
    statement = select(
        Job.id, Job.function, Job.task, Job.payload, Job.attempts,
        Job.last_error, Job.request_id, Job.created_at, Job.finished_at,
    ).where(Job.state == "dead").order_by(Job.finished_at.desc(), Job.id.desc()).limit(limit)  # fmt: skip
    if function is not None:
        statement = statement.where(Job.function == function)
    return [DeadJob(*row) for row in session.execute(statement)]


def rerun(session: Session, job_id: UUID) -> bool:
    """Queue a dead job again with all its attempts before it; False where there is no such dead job."""
    now = timedelta()
    statement = (
        update(Job)
        .where(Job.id == job_id, Job.state == "dead")
        .values(
            state="queued", attempts=0, run_at=func.now(), finished_at=None, announced_at=announcement(now)
        )
        .returning(Job.function)
    )
    function = session.scalar(statement, execution_options={"synchronize_session": False})
    if function is None:
        return False
    announce_after_commit(session, function, job_id, now)
    return True


def delete_finished(
    session: Session, state: Literal["done", "dead"], older_than: timedelta, limit: int
) -> int:
    """Delete about `limit` jobs of this state that finished that long ago, the oldest first; how many.

    Ties with the last of them go as well. For the role of `worker`, the only one that may delete jobs.
    """
    finished = (Job.state == state, Job.finished_at < func.now() - older_than)
    last = select(Job.finished_at).where(*finished).order_by(Job.finished_at).offset(limit - 1).limit(1)
    statement = delete(Job).where(
        *finished, Job.finished_at <= func.coalesce(last.scalar_subquery(), func.now())
    )
    result = session.execute(statement, execution_options={"synchronize_session": False})
    return int(result.rowcount)  # type: ignore[attr-defined]  # a DELETE's result has it
