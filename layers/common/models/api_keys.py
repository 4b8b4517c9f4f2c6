from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from common.models.base import Base, CreatedAt, Id


class ApiKey(Base):
    """A key with which a program acts for an account. Owner: auth; every function verifies with it.

    `digest` is SHA-256 of the whole key, whose secret has 256 random bits. After a rotation the key before
    it works until `previous_expires_at`. A key may do what `scopes` and the permissions of its account both
    allow, from `networks` (CIDR; empty: from anywhere). Functions write `last_used_at`, at most once a
    minute.
    """

    __tablename__ = "api_keys"
    __table_args__ = (Index(None, "user_id", "created_at", "id"),)

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(200))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    previous_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    previous_expires_at: Mapped[datetime | None]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(64)))
    networks: Mapped[list[str]] = mapped_column(ARRAY(String(64)), server_default=text("'{}'"))
    requests_per_minute: Mapped[int | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]
    rotated_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default=text("1"))
