from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from common.models.base import Base, CreatedAt, Id

_NOTHING = text("'{}'")


class Conversation(Base):
    """What somebody and a model said to each other. Owner: ai.

    `leaf_id` is the last message of the branch that is shown; `updated_at` is when something was said last.
    `titled_by` is null until there is a title; a title of the person's is not replaced.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        CheckConstraint("titled_by in ('person', 'model')", name="titled_by_known"),
        Index(
            "ix_conversations_owner_id_updated_at_id",
            "owner_id",
            "updated_at",
            "id",
            postgresql_where=text("archived_at is null"),
        ),
        Index(
            "ix_conversations_owner_id_archived_at_id",
            "owner_id",
            "archived_at",
            "id",
            postgresql_where=text("archived_at is not null"),
        ),
        Index(
            "ix_conversations_model",
            "owner_id",
            "model",
            "updated_at",
            "id",
            postgresql_where=text("archived_at is null"),
        ),
        Index("ix_conversations_pinned", "owner_id", "updated_at", "id", postgresql_where=text("pinned")),
        Index(
            "ix_conversations_title",
            "owner_id",
            text("lower(title) gin_trgm_ops"),
            postgresql_using="gin",
        ),
    )

    id: Mapped[Id]
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    title: Mapped[str | None] = mapped_column(String(200))
    titled_by: Mapped[str | None] = mapped_column(String(8))
    model: Mapped[str] = mapped_column(String(200))
    system: Mapped[str] = mapped_column(Text, server_default=text("''"))
    parameters: Mapped[dict[str, Any]] = mapped_column(server_default=_NOTHING)
    pinned: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    archived_at: Mapped[datetime | None]
    leaf_id: Mapped[UUID | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))


class Message(Base):
    """One turn of a conversation; its branches are a tree by `parent_id`. Owner: ai.

    A model's is `streaming` until it is `done`, or ended before: `stopped` by somebody, `abandoned` when
    nobody listened any more, `failed` (`problem` tells why), `interrupted` with its process. What was
    produced by then is kept. Counts are the model's, timings in ms. `depth` counts the messages before it on
    its branch; `left_out` those of them that the model was not sent, `truncated` says that of the others it
    saw less than was sent. `last_event` is the number of the last event of its stream, once that has ended.
    """

    __tablename__ = "messages"
    __table_args__ = (
        CheckConstraint("role in ('user', 'assistant')", name="role_known"),
        CheckConstraint(
            "state in ('streaming', 'done', 'stopped', 'abandoned', 'failed', 'interrupted')",
            name="state_known",
        ),
        Index("ix_messages_conversation_id_id", "conversation_id", "id"),
        Index(
            "ix_messages_searched",
            "owner_id",
            text("to_tsvector('simple', left(content, 100000))"),
            postgresql_using="gin",
        ),
    )

    id: Mapped[Id]
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="cascade"))
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    parent_id: Mapped[UUID | None]
    depth: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    role: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16), server_default=text("'done'"))
    content: Mapped[str] = mapped_column(Text, server_default=text("''"))
    reasoning: Mapped[str] = mapped_column(Text, server_default=text("''"))
    model: Mapped[str | None] = mapped_column(String(200))
    parameters: Mapped[dict[str, Any]] = mapped_column(server_default=_NOTHING)
    finish_reason: Mapped[str | None] = mapped_column(String(16))
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    truncated: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    left_out: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    prompt_tokens: Mapped[int | None] = mapped_column(Integer)
    completion_tokens: Mapped[int | None] = mapped_column(Integer)
    timings: Mapped[dict[str, Any]] = mapped_column(server_default=_NOTHING)
    last_event: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[CreatedAt]
    finished_at: Mapped[datetime | None]


class Generation(Base):
    """A message that a process is streaming, or was a moment ago. Owner: ai.

    The process says that it lives by `beat_at`, whoever listens to it from another one by `watched_at`, and
    whoever wants it to end by `stop_requested_at`. `prompt_tokens` is an estimate of what was sent. The row
    goes when nobody can come back any more.
    """

    __tablename__ = "generations"
    __table_args__ = (
        Index("ix_generations_conversation_id", "conversation_id"),
        Index("ix_generations_beat_at", "beat_at"),
    )

    message_id: Mapped[UUID] = mapped_column(ForeignKey("messages.id", ondelete="cascade"), primary_key=True)
    conversation_id: Mapped[UUID]
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    process_id: Mapped[UUID]
    reservation_id: Mapped[UUID | None]
    prompt_tokens: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    beat_at: Mapped[CreatedAt]
    watched_at: Mapped[CreatedAt]
    stop_requested_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class GenerationPart(Base):
    """Some events of a generation, in the order of their numbers, as their process wrote them. Owner: ai."""

    __tablename__ = "generation_parts"

    message_id: Mapped[UUID] = mapped_column(
        ForeignKey("generations.message_id", ondelete="cascade"), primary_key=True
    )
    first: Mapped[int] = mapped_column(Integer, primary_key=True)
    events: Mapped[list[dict[str, Any]]] = mapped_column(type_=JSONB)


class ConversationSummary(Base):
    """What was said up to and with a message, in short, for a context that has no room for all. Owner: ai."""

    __tablename__ = "conversation_summaries"

    message_id: Mapped[UUID] = mapped_column(ForeignKey("messages.id", ondelete="cascade"), primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    content: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[CreatedAt]
