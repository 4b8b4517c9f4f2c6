from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from common.models.base import Base, CreatedAt, Id


class Job(Base):
    """Work to be done after the request. Owner: common (`common.jobs`).

    The row is the truth, a message a wake-up. `function` owns the task and runs it. `secret` is that part of
    the payload which must not be readable at rest, encrypted. `origin` is who asked for it and from where:
    the job acts in their name. A row in state `running` whose `locked_until` has passed has lost its handler.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint("state in ('queued', 'running', 'done', 'dead')", name="state_known"),
        Index("ix_jobs_due", "function", "run_at", postgresql_where=text("state in ('queued', 'running')")),
        Index("ix_jobs_dead", "function", "finished_at", postgresql_where=text("state = 'dead'")),
        Index("ix_jobs_finished_at", "finished_at", postgresql_where=text("finished_at is not null")),
    )

    id: Mapped[Id]
    function: Mapped[str] = mapped_column(String(32))
    task: Mapped[str] = mapped_column(String(64))
    payload: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    secret: Mapped[str | None]
    state: Mapped[str] = mapped_column(String(16), server_default=text("'queued'"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    max_attempts: Mapped[int] = mapped_column(server_default=text("8"))
    run_at: Mapped[CreatedAt]
    locked_until: Mapped[datetime | None]
    announced_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    finished_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[str] = mapped_column(String(128), server_default=text("''"))
    origin: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
