from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from common.models.base import Base, CreatedAt, Id

_NO_KEY = text("'00000000-0000-0000-0000-000000000000'")


class AiUsage(Base):
    """What somebody asked of a model on a day (UTC), by an API key or, without one, themselves. Owner: ai."""

    __tablename__ = "ai_usage"
    __table_args__ = (Index("ix_ai_usage_day", "day"),)

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(String(200), primary_key=True)
    key_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=_NO_KEY)
    requests: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    prompt_tokens: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    completion_tokens: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class AiReservation(Base):
    """A request to a model that is under way, and the tokens set aside for it. Owner: ai.

    It counts in every quota, by `tokens`, until it is settled. Its process says that it lives by
    `held_until`, and what it cost so far by `prompt_tokens` and `completion_tokens`: with those a sweep
    settles it once the process is gone.
    """

    __tablename__ = "ai_reservations"
    __table_args__ = (
        Index("ix_ai_reservations_owner_id", "owner_id"),
        Index("ix_ai_reservations_held_until", "held_until"),
    )

    id: Mapped[Id]
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    key_id: Mapped[UUID] = mapped_column(server_default=_NO_KEY)
    model: Mapped[str] = mapped_column(String(200))
    day: Mapped[date]
    tokens: Mapped[int] = mapped_column(BigInteger)
    prompt_tokens: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    completion_tokens: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    created_at: Mapped[CreatedAt]
    held_until: Mapped[datetime]


class AiQuota(Base):
    """How many requests and tokens somebody may have in a period; null is any number. Owner: ai.

    Of everybody, of whoever has a role, of one account, or of one API key; of one model or of all.
    """

    __tablename__ = "ai_quotas"
    __table_args__ = (
        CheckConstraint("period in ('day', 'month')", name="period_known"),
        CheckConstraint("num_nonnulls(role, owner_id, key_id) <= 1", name="of_one"),
        Index(
            "uq_ai_quotas_of",
            text("coalesce(role, '')"),
            text("coalesce(model, '')"),
            "period",
            text("coalesce(owner_id, key_id, '00000000-0000-0000-0000-000000000000'::uuid)"),
            unique=True,
        ),
        Index("ix_ai_quotas_owner_id", "owner_id", postgresql_where=text("owner_id is not null")),
        Index("ix_ai_quotas_key_id", "key_id", postgresql_where=text("key_id is not null")),
        Index("ix_ai_quotas_role", "role", postgresql_where=text("owner_id is null and key_id is null")),
    )

    id: Mapped[Id]
    role: Mapped[str | None] = mapped_column(String(64))
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    key_id: Mapped[UUID | None]
    model: Mapped[str | None] = mapped_column(String(200))
    period: Mapped[str] = mapped_column(String(8))
    requests: Mapped[int | None] = mapped_column(BigInteger)
    tokens: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))


class AiModel(Base):
    """What administrators settled about a model; one without a row is everybody's. Owner: ai.

    `roles` null: everybody who may use models at all. `tasks` are those that it is the default for.
    """

    __tablename__ = "ai_models"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    roles: Mapped[list[str] | None] = mapped_column(ARRAY(String(64)))
    tasks: Mapped[list[str]] = mapped_column(ARRAY(String(16)), server_default=text("'{}'"))
    num_ctx: Mapped[int | None] = mapped_column(Integer)
    updated_at: Mapped[CreatedAt]
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))


class ModelPull(Base):
    """A model on its way to Ollama; one at a time. Owner: ai. `problem` is the code of why it failed.

    `status` is Ollama's own word on it. The job that has it pulled holds it, by `holder`, until `held_until`;
    after that another goes on with it.
    """

    __tablename__ = "model_pulls"
    __table_args__ = (
        CheckConstraint("state in ('queued', 'running', 'done', 'failed', 'cancelled')", name="state_known"),
        Index(
            "uq_model_pulls_model",
            "model",
            unique=True,
            postgresql_where=text("state in ('queued', 'running')"),
        ),
    )

    id: Mapped[Id]
    model: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(16), server_default=text("'queued'"))
    status: Mapped[str] = mapped_column(String(200), server_default=text("''"))
    completed: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    total: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    problem: Mapped[str | None] = mapped_column(String(64))
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    holder: Mapped[UUID | None]
    held_until: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]
    finished_at: Mapped[datetime | None]
