from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from common.models.base import Base, CreatedAt, Id


class Export(Base):
    """A person's request for all that is stored about them. Owner: users.

    `object_key` is the finished archive in the bucket, until `expires_at`.
    """

    __tablename__ = "exports"
    __table_args__ = (
        CheckConstraint("state in ('collecting', 'ready', 'failed', 'expired')", name="state_known"),
        Index(None, "user_id", "created_at"),
        Index(None, "expires_at"),
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(String(16), server_default=text("'collecting'"))
    object_key: Mapped[str | None] = mapped_column(String(200))
    size: Mapped[int | None]
    created_at: Mapped[CreatedAt]
    ready_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]


class ExportPart(Base):
    """What one function knows of the person, encrypted, until the archive is made.

    Owner: common (`common.personal_data`), as each function writes its own.
    """

    __tablename__ = "export_parts"

    export_id: Mapped[UUID] = mapped_column(ForeignKey("exports.id", ondelete="CASCADE"), primary_key=True)
    function: Mapped[str] = mapped_column(String(32), primary_key=True)
    content: Mapped[str]
    created_at: Mapped[CreatedAt]


class ErasureReport(Base):
    """What one function erased of a person. Owner: common (`common.personal_data`)."""

    __tablename__ = "erasure_reports"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    function: Mapped[str] = mapped_column(String(32), primary_key=True)
    report: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    created_at: Mapped[CreatedAt]
