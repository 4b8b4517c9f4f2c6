"""Which permissions there are, and what the built-in roles may do: the one place.

A function of your own adds its permissions here. Roles that administrators make are rows of `roles`.
"""

from collections.abc import Iterable
from typing import Final

MEMBER: Final = frozenset({"profile:read", "profile:write", "files:read", "files:write", "ai:use"})
ADMIN: Final = MEMBER | {
    "users:read",
    "users:write",
    "roles:write",
    "audit:read",
    "tokens:introspect",
    "ai:admin",
}

PERMISSIONS: Final = ADMIN
"""All that there are."""

BUILT_IN: Final[dict[str, frozenset[str]]] = {"admin": ADMIN, "member": MEMBER}
ADMINISTRATOR: Final = "admin"


def permissions_of(roles: Iterable[str], own_made: Iterable[str] = ()) -> frozenset[str]:
    """What an account with `roles` may do; `own_made` is what those of its roles that are rows permit.

    An unknown role permits nothing, and neither does a permission that there is no more.
    """
    built_in = (BUILT_IN.get(role, frozenset()) for role in roles)
    return frozenset().union(*built_in, PERMISSIONS.intersection(own_made))
