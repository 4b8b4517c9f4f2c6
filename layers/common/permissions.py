"""Which role may do what: the one place."""

from typing import Final

MEMBER: Final = frozenset({"profile:read", "profile:write", "files:read", "files:write", "ai:use"})
ADMIN: Final = MEMBER | {"users:read", "users:write", "ai:admin", "audit:read"}

ROLE_PERMISSIONS: Final[dict[str, frozenset[str]]] = {"member": MEMBER, "admin": ADMIN}


def permissions_of(role: str) -> frozenset[str]:
    """The permissions of a role; an unknown one has none."""
    return ROLE_PERMISSIONS.get(role, frozenset())
