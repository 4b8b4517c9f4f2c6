"""The worker's deletions: its role may see when a row expires, and delete it, and no more."""

from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from common.models import IdempotencyKey, OneTimeToken, RateLimit, RefreshToken
from common.models import Session as SignIn

type Expiring = IdempotencyKey | OneTimeToken | RateLimit | RefreshToken | SignIn


def delete_expired(session: Session, table: type[Expiring], kept: timedelta, limit: int) -> int:
    """Delete about `limit` rows that expired `kept` ago, the oldest first; how many. Ties go as well."""
    expired = table.expires_at < func.now() - kept
    last = select(table.expires_at).where(expired).order_by(table.expires_at).offset(limit - 1).limit(1)
    statement = delete(table).where(
        expired, table.expires_at <= func.coalesce(last.scalar_subquery(), func.now())
    )
    result = session.execute(statement, execution_options={"synchronize_session": False})
    return int(result.rowcount)  # type: ignore[attr-defined]  # a DELETE's result has it
