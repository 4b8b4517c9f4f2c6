"""How far a function's jobs are behind: measured by who does them, about every minute."""

from typing import Any, Final

from sqlalchemy import Select, and_, func, select

from common import metrics
from common.database.transactions import get_database
from common.models import Job

# Counting stops here: a backlog must not make looking at it costly.
MOST: Final = 10_000


def measure_backlog(function: str) -> None:
    """Set the age and depth of the queue of `function`, and how many of its jobs are dead.

    Jobs of a task that only a newer release knows count as well: they wait.
    """
    statement = backlog(function)
    age, depth, buried = get_database(function).reading(
        lambda connection: connection.execute(statement).one()
    )
    metrics.gauge(metrics.QUEUE_AGE, float(age), function=function)
    metrics.gauge(metrics.QUEUE_DEPTH, depth, function=function)
    metrics.gauge(metrics.DEAD_JOBS, buried, function=function)


def backlog(function: str) -> Select[tuple[Any, int, int]]:
    """Age in seconds, depth, dead: one statement, which reads MOST entries each of two indexes at most."""
    due = and_(Job.function == function, Job.state == "queued", Job.run_at <= func.now())
    oldest = select(Job.run_at).where(due).order_by(Job.run_at).limit(1).scalar_subquery()
    waiting = select(Job.id).where(due).limit(MOST).subquery()
    dead = select(Job.id).where(Job.function == function, Job.state == "dead").limit(MOST).subquery()
    return select(
        func.coalesce(func.extract("epoch", func.now() - oldest), 0),
        select(func.count()).select_from(waiting).scalar_subquery(),
        select(func.count()).select_from(dead).scalar_subquery(),
    )
