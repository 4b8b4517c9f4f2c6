"""Accounts, as `users` reads them."""

from typing import Final
from uuid import UUID

from sqlalchemy import Connection, bindparam, select

from common.database import AnyRow
from common.models import User

# Columns, not entities, and built once: this is the most frequent query of all.
_PROFILE: Final = select(
    User.id,
    User.email,
    User.email_verified_at,
    User.name,
    User.locale,
    User.roles,
    User.state,
    User.created_at,
    User.updated_at,
    User.version,
).where(User.id == bindparam("user_id"))


def profile(connection: Connection, user_id: UUID) -> AnyRow | None:
    """An account's columns."""
    return connection.execute(_PROFILE, {"user_id": user_id}).first()
