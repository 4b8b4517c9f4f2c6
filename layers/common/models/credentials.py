from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from common.models.base import Base, CreatedAt, Id


class Password(Base):
    """The argon2id hash of an account's password. Owner: auth; no other role can read it."""

    __tablename__ = "passwords"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    hash: Mapped[str] = mapped_column(String(255))
    changed_at: Mapped[CreatedAt]


class RefreshToken(Base):
    """One link in a session's chain of refresh tokens, by the digest of its secret. Owner: auth.

    `successor` is the next token, encrypted under a key derived from this one's secret, for the time in which
    a rotated token still answers; the rotation after that erases it.
    """

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        Index(None, "session_id"),
        Index(None, "expires_at"),
        # A rotation erases the successors of its session, however long its chain has grown.
        Index("ix_refresh_tokens_successors", "session_id", postgresql_where=text("successor is not null")),
    )

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    rotated_at: Mapped[datetime | None]
    successor: Mapped[bytes | None] = mapped_column(LargeBinary)


class OneTimeToken(Base):
    """What a mailed link carries, by digest; it works once. Owner: common (`common.one_time_tokens`).

    `email` is the address that the link is about, where that is not the account's own. `issued_by` is whose
    powers an invitation rests on; null where an operator made it, and for what people send themselves.
    """

    __tablename__ = "one_time_tokens"
    __table_args__ = (
        CheckConstraint(
            "purpose in ('verify_email', 'reset_password', 'change_email', 'undo_email', 'invitation', "
            "'undo_deletion', 'download_export')",
            name="purpose_known",
        ),
        Index(None, "user_id"),
        Index(None, "expires_at"),
    )

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    purpose: Mapped[str] = mapped_column(String(32))
    email: Mapped[str | None] = mapped_column(String(254))
    # No foreign key: whoever is gone has no powers, and their links need not be found for that.
    issued_by: Mapped[UUID | None]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    spent_at: Mapped[datetime | None]


class PendingRegistration(Base):
    """What came with the registration which a link confirms. Owner: auth; no other role can read it.

    Whoever clicks a link gets what that registration said, so that nobody can slip their password under
    another's address.
    """

    __tablename__ = "pending_registrations"

    digest: Mapped[bytes] = mapped_column(
        LargeBinary(32), ForeignKey("one_time_tokens.digest", ondelete="CASCADE"), primary_key=True
    )
    password_hash: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(200))


class SigningKey(Base):
    """The public half of a key that signs access tokens. Owner: auth; every function reads it.

    It is published when it is made and signs from `active_at` on, so that verifiers know it by then.
    """

    __tablename__ = "signing_keys"

    id: Mapped[Id]
    public_key: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_at: Mapped[CreatedAt]
    active_at: Mapped[CreatedAt]
    retired_at: Mapped[datetime | None]


class SigningSecret(Base):
    """The private half, encrypted (`common.encryption`). Owner: auth; no other role can read it."""

    __tablename__ = "signing_secrets"

    key_id: Mapped[UUID] = mapped_column(ForeignKey("signing_keys.id", ondelete="CASCADE"), primary_key=True)
    ciphertext: Mapped[str]
