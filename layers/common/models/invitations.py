from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from common.models.base import Base, CreatedAt, Id


class BulkInvitation(Base):
    """A list of people to invite, worked off by a job. Owner: users."""

    __tablename__ = "bulk_invitations"
    __table_args__ = (
        CheckConstraint("state in ('queued', 'running', 'done', 'failed')", name="state_known"),
        Index(None, "created_by"),
    )

    id: Mapped[Id]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(String(16), server_default=text("'queued'"))
    created_at: Mapped[CreatedAt]
    finished_at: Mapped[datetime | None]


class BulkInvitationLine(Base):
    """One line of such a list and what became of it; `outcome` is null until then. Owner: users.

    `user_id` is the account that was invited: its erasure deletes the line, whatever its address is by then.
    """

    __tablename__ = "bulk_invitation_lines"
    __table_args__ = (
        Index("ix_bulk_invitation_lines_email", text("lower(email)")),
        Index("ix_bulk_invitation_lines_user_id", "user_id", postgresql_where=text("user_id is not null")),
    )

    bulk_invitation_id: Mapped[UUID] = mapped_column(
        ForeignKey("bulk_invitations.id", ondelete="CASCADE"), primary_key=True
    )
    line: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    email: Mapped[str] = mapped_column(String(320))
    name: Mapped[str] = mapped_column(String(200), server_default=text("''"))
    roles: Mapped[list[str]] = mapped_column(ARRAY(String(32)), server_default=text("'{member}'"))
    outcome: Mapped[str | None] = mapped_column(String(16))
    detail: Mapped[str] = mapped_column(String(500), server_default=text("''"))
    user_id: Mapped[UUID | None]
