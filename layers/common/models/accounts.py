from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from common.models.base import Base, CreatedAt, Id

SEARCHED: Final = "(email || ' ' || lower(name))"
"""What a search of accounts looks at: the expression of the trigram index."""


class User(Base):
    """An account. Owner: common (`common.accounts`), as `auth` and `users` both write it.

    `email` is normalised (see `common.email_addresses`), so that comparing bytes compares addresses.
    `version` counts the changes and is the ETag. The password's hash is in a table of `auth`'s own.

    An account is `invited` until the invitation is accepted, `deleting` while its deletion can be undone
    (until `erase_at`), and `deleted` when nothing of the person is left in it. Only an `active` one can
    sign in. One that is `deleting` without an `erase_at` is being erased: there is no way back.
    """

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("email = lower(email)", name="email_lower"),
        CheckConstraint(
            "state in ('invited', 'active', 'disabled', 'deleting', 'deleted')", name="state_known"
        ),
        Index(None, "created_at", "id"),
        Index(None, "name", "id"),
        # Nearly all are active: a list of those takes them in its order, and skips few.
        Index(None, "state", "created_at", "id", postgresql_where=text("state <> 'active'")),
        Index(None, "roles", postgresql_using="gin"),
        Index("ix_users_searched", text(f"{SEARCHED} gin_trgm_ops"), postgresql_using="gin"),
    )

    id: Mapped[Id]
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(200), server_default=text("''"))
    locale: Mapped[str] = mapped_column(String(35), server_default=text("'en'"))
    roles: Mapped[list[str]] = mapped_column(ARRAY(String(32)), server_default=text("'{member}'"))
    state: Mapped[str] = mapped_column(String(16), server_default=text("'active'"))
    disabled_reason: Mapped[str | None] = mapped_column(String(500))
    password_reset_required: Mapped[bool] = mapped_column(server_default=text("false"))
    erase_at: Mapped[datetime | None]
    email_verified_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]
    version: Mapped[int] = mapped_column(server_default=text("1"))


class Session(Base):
    """A sign-in: the family of its refresh tokens. Owner: common (`common.accounts`).

    `client_address` and `user_agent` are those of the sign-in, `last_address` is where it was last seen.
    `authenticated_at` is when the person last proved who they are: at sign-in, or again in between.
    """

    __tablename__ = "sessions"
    __table_args__ = (Index(None, "user_id"), Index(None, "expires_at"))

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    client_address: Mapped[str] = mapped_column(String(64))
    user_agent: Mapped[str] = mapped_column(String(512))
    created_at: Mapped[CreatedAt]
    authenticated_at: Mapped[CreatedAt]
    last_seen_at: Mapped[CreatedAt]
    last_address: Mapped[str] = mapped_column(String(64), server_default=text("''"))
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None] = mapped_column(String(32))
