from typing import Any
from uuid import UUID

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from common.models.base import Base, CreatedAt, Id


class AuditEntry(Base):
    """Who did what to whom, from where, with what result. Owner: common (`common.audit`).

    Append-only: no role may update or delete. No foreign keys, as an entry outlives what it speaks of.
    """

    __tablename__ = "audit_log"
    __table_args__ = (
        Index(None, "created_at", "id"),
        Index(None, "subject_id", "created_at", "id"),
        Index(None, "actor_id", "created_at", "id"),
        Index(None, "action", "created_at", "id"),
        Index(None, "outcome", "created_at", "id"),
    )

    id: Mapped[Id]
    created_at: Mapped[CreatedAt]
    action: Mapped[str] = mapped_column(String(64))
    outcome: Mapped[str] = mapped_column(String(16))
    actor_id: Mapped[UUID | None]
    subject_id: Mapped[UUID | None]
    session_id: Mapped[UUID | None]
    api_key_id: Mapped[UUID | None]
    client_address: Mapped[str] = mapped_column(String(64))
    user_agent: Mapped[str] = mapped_column(String(512))
    request_id: Mapped[str] = mapped_column(String(128))
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
