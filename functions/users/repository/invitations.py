"""What invitations look at beyond accounts: roles, and until when a link works."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.models import OneTimeToken, Role


def own_made_roles(session: Session, names: Sequence[str]) -> dict[str, list[str]]:
    """The permissions of those of `names` that are rows, by name; they stay until the transaction ends."""
    # In one order for everybody, so that two transactions do not wait for each other.
    statement = select(Role).where(Role.name.in_(names)).order_by(Role.name)
    return {role.name: role.permissions for role in session.scalars(statement.with_for_update(read=True))}


def invitation_expiry(session: Session, user_id: UUID) -> datetime:
    """Until when the newest link of an account that is invited works."""
    links = select(OneTimeToken.expires_at).where(
        OneTimeToken.user_id == user_id,
        OneTimeToken.purpose == "invitation",
        OneTimeToken.spent_at.is_(None),
    )
    return session.scalars(links.order_by(OneTimeToken.expires_at.desc()).limit(1)).one()
