from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from common.models.base import Base, CreatedAt, Id


class User(Base):
    """An account. Owner: common (`common.accounts`), as `auth` and `users` both write it.

    `email` is normalised (see `common.email_addresses`), so that comparing bytes compares addresses.
    `version` counts the changes and is the ETag. The password's hash is in a table of `auth`'s own.
    """

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("email = lower(email)", name="email_lower"),
        CheckConstraint("role in ('admin', 'member')", name="role_known"),
        CheckConstraint("state in ('active', 'disabled')", name="state_known"),
    )

    id: Mapped[Id]
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(200), server_default=text("''"))
    locale: Mapped[str] = mapped_column(String(35), server_default=text("'en'"))
    role: Mapped[str] = mapped_column(String(32), server_default=text("'member'"))
    state: Mapped[str] = mapped_column(String(16), server_default=text("'active'"))
    email_verified_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]
    version: Mapped[int] = mapped_column(server_default=text("1"))


class Session(Base):
    """A sign-in: the family of its refresh tokens. Owner: common (`common.accounts`)."""

    __tablename__ = "sessions"
    __table_args__ = (Index(None, "user_id"), Index(None, "expires_at"))

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    client_address: Mapped[str] = mapped_column(String(64))
    user_agent: Mapped[str] = mapped_column(String(512))
    created_at: Mapped[CreatedAt]
    last_seen_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None] = mapped_column(String(32))
