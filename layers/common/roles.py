"""The permissions of the roles that administrators made."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, select

from common.models import Role
from common.permissions import BUILT_IN, permissions_of

OWN_MADE: Final = "array(select unnest(permissions) from roles where name = any(users.roles)) as own_made"
"""A column of a textual select from `users`: what those of its roles that are rows permit."""


def granted(connection: Connection, roles: Sequence[str]) -> frozenset[str]:
    """The permissions of an account with these roles; a query only where one is not built in."""
    own_made = [role for role in roles if role not in BUILT_IN]
    if not own_made:
        return permissions_of(roles)
    rows = connection.execute(select(Role.permissions).where(Role.name.in_(own_made)))
    return permissions_of(roles, [permission for (permissions,) in rows for permission in permissions])
