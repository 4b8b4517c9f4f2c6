"""Who works on a job: claims with a lease, and what ends or extends one.

A claim's token is its attempt together with the end of its lease. Whatever a handler writes about its job is
conditional on that token, so that one whose lease was taken over changes nothing.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Update, and_, case, func, literal, or_, select, update
from sqlalchemy.orm import Session

from common.jobs.outbox import announce_after_commit, announcement
from common.models import Job

LOST: Final = "LeaseExpired: its handler ended without a result"


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that is ours until `locked_until`; `secret` is still encrypted."""

    id: UUID
    function: str
    task: str
    payload: dict[str, Any]
    secret: str | None
    attempt: int
    max_attempts: int
    locked_until: datetime
    request_id: str
    origin: dict[str, str]


@dataclass(frozen=True, slots=True)
class LostJob:
    """A job whose lease ran out; it is queued again, or `dead` after its last attempt."""

    id: UUID
    task: str
    dead: bool


def claim(
    session: Session, function: str, leases: Mapping[str, timedelta], job_id: UUID | None = None
) -> Claim | None:
    """Take one due job of `function` whose task is in `leases`: the one with `job_id`, or the one due first.

    Due is what is queued and whose time has come, and what is running but whose lease has passed. None where
    there is no such job, or where another takes it at this moment.
    """
    mine = [Job.function == function, Job.task.in_(leases), or_(_is_due(), _is_abandoned())]
    if job_id is not None:
        mine.append(Job.id == job_id)
    chosen = select(Job.id).where(*mine).order_by(Job.run_at).limit(1).with_for_update(skip_locked=True)
    statement = (
        update(Job)
        .where(Job.id == chosen.scalar_subquery())
        .values(
            state="running",
            attempts=Job.attempts + 1,
            locked_until=func.now() + case(dict(leases), value=Job.task, else_=literal(timedelta())),
        )
        .returning(
            Job.id, Job.function, Job.task, Job.payload, Job.secret,
            Job.attempts, Job.max_attempts, Job.locked_until, Job.request_id, Job.origin,
        )
    )  # fmt: skip
    row = session.execute(statement, execution_options={"synchronize_session": False}).first()
    return Claim(*row) if row else None


def _is_due() -> ColumnElement[bool]:
    return and_(Job.state == "queued", Job.run_at <= func.now())


def _is_abandoned() -> ColumnElement[bool]:
    return and_(Job.state == "running", Job.locked_until < func.now(), Job.attempts < Job.max_attempts)


def _held(held: Claim) -> Update:
    return update(Job).where(
        Job.id == held.id,
        Job.state == "running",
        Job.attempts == held.attempt,
        Job.locked_until == held.locked_until,
    )


def _applies(session: Session, statement: Update) -> bool:
    options = {"synchronize_session": False}
    return session.execute(statement.returning(Job.id), execution_options=options).first() is not None


def finish(session: Session, held: Claim) -> bool:
    """Mark it done and erase its secret; False where the lease is another's by now."""
    return _applies(
        session,
        _held(held).values(
            state="done", finished_at=func.now(), locked_until=None, secret=None, last_error=None
        ),
    )


def postpone(session: Session, held: Claim, delay: timedelta, error: str) -> bool:
    """Queue it again for in `delay`; False where the lease is another's by now."""
    values = {
        "state": "queued",
        "run_at": func.now() + delay,
        "announced_at": announcement(delay),
        "locked_until": None,
        "last_error": error,
    }
    if not _applies(session, _held(held).values(values)):
        return False
    announce_after_commit(session, held.function, held.id, delay)
    return True


def bury(session: Session, held: Claim, error: str) -> bool:
    """Mark it dead; its secret stays, so that it can be run again. False where the lease is another's."""
    values = {"state": "dead", "finished_at": func.now(), "locked_until": None, "last_error": error}
    return _applies(session, _held(held).values(values))


def extend(session: Session, held: Claim, lease: timedelta) -> datetime | None:
    """Hold it for `lease` from now on; the new end, or None where the lease is another's by now."""
    statement = _held(held).values(locked_until=func.now() + lease).returning(Job.locked_until)
    return session.execute(statement, execution_options={"synchronize_session": False}).scalar()


def release_lost(session: Session, function: str, limit: int) -> list[LostJob]:
    """Queue what lost its handler again, or bury it after its last attempt."""
    lost = (
        select(Job.id)
        .where(Job.function == function, Job.state == "running", Job.locked_until < func.now())
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("lost")
    )
    spent = Job.attempts >= Job.max_attempts
    statement = (
        update(Job)
        .where(Job.id == lost.c.id)
        .values(
            state=case((spent, "dead"), else_="queued"),
            finished_at=case((spent, func.now()), else_=None),
            run_at=func.now(),
            locked_until=None,
            announced_at=None,
            last_error=LOST,
        )
        .returning(Job.id, Job.task, Job.state)
    )
    rows = session.execute(statement, execution_options={"synchronize_session": False}).all()
    return [LostJob(row.id, row.task, row.state == "dead") for row in rows]


def reannounce(
    session: Session, function: str, tasks: Collection[str], older_than: timedelta, limit: int
) -> int:
    """Send the wake-ups of due jobs again whose last is `older_than` ago, or was never; how many."""
    stale = or_(Job.announced_at.is_(None), Job.announced_at < func.now() - older_than)
    silent = (
        select(Job.id)
        .where(Job.function == function, Job.task.in_(tasks), _is_due(), stale)
        .order_by(Job.run_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("silent")
    )
    statement = update(Job).where(Job.id == silent.c.id).values(announced_at=func.now()).returning(Job.id)
    ids = session.scalars(statement, execution_options={"synchronize_session": False}).all()
    for job_id in ids:
        announce_after_commit(session, function, job_id, timedelta())
    return len(ids)


def count_unknown(session: Session, function: str, tasks: Collection[str]) -> list[tuple[str, int]]:
    """The due jobs of `function` that none of `tasks` does: the name of their task, and how many."""
    unknown = (
        select(Job.task, func.count())
        .where(Job.function == function, Job.task.not_in(tasks), _is_due())
        .group_by(Job.task)
        .limit(20)
    )
    return [(task, number) for task, number in session.execute(unknown)]
