from datetime import datetime

from sqlalchemy import Index, Integer, LargeBinary, SmallInteger
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION
from sqlalchemy.orm import Mapped, mapped_column

from common.models.base import Base, CreatedAt


class IdempotencyKey(Base):
    """A creating request that was made once. Owner: common (`common.idempotency`).

    `digest` is of actor, operation and key; `fingerprint` of the request. `answer` is the stored response,
    encrypted under a key derived from the header and the server's secret; it is null while the first request
    is in flight, at the latest until `locked_until`.
    """

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "expires_at"),)

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(32))
    status: Mapped[int | None] = mapped_column(SmallInteger)
    answer: Mapped[bytes | None] = mapped_column(LargeBinary)
    locked_until: Mapped[datetime]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]


class RateLimit(Base):
    """One bucket of one limit, by digest. Owner: common (`common.rate_limits`).

    Unlogged: losing the counts in a crash of Postgres is cheaper than a write-ahead log for each of them.
    `spent` tokens as of `updated_at` drain at the limit's own rate.
    """

    __tablename__ = "rate_limits"
    # No index on `expires_at`: every request changes it, and an index keeps such updates from being HOT.
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    digest: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    spent: Mapped[float] = mapped_column(DOUBLE_PRECISION)
    updated_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    refusals: Mapped[int] = mapped_column(Integer, server_default="0")
