"""Until when an invitation can be accepted."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.models import OneTimeToken


def invitation_expiry(session: Session, user_id: UUID) -> datetime:
    """Until when the newest link of an account that is invited works."""
    links = select(OneTimeToken.expires_at).where(
        OneTimeToken.user_id == user_id,
        OneTimeToken.purpose == "invitation",
        OneTimeToken.spent_at.is_(None),
    )
    return session.scalars(links.order_by(OneTimeToken.expires_at.desc()).limit(1)).one()
