"""What no rule can tell of an operation. A new one needs a line here at most where a test asks for it.

It is public, or it has a row, or its example does not succeed by itself, or it looks closer than the rule.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from common.functions import FUNCTIONS
from tests.support.api_keys import mint
from tests.support.world import World

NOBODYS: Final = "01890a5d-ac96-774b-bcce-b302099a8057"

PUBLIC: Final = {
    *(f"{function}_{probe}" for function in FUNCTIONS for probe in ("livez", "readyz")),
    "live",
    "ready",
    "jwks",
    "oauth_metadata",
    "revoke_token",
    "register",
    "verify_email",
    "resend_verification",
    "login",
    "token",
    "refresh",
    "forgot_password",
    "reset_password",
    "confirm_email",
    "undo_email",
    "undo_deletion",
    "download_export",
}
"""Operations for everybody. Without a line here, one that demands nothing is an oversight."""

ANSWERS: Final = {
    "ready": "unavailable",
    "verify_email": "invalid_link",
    "login": "invalid_credentials",
    "token": "invalid_grant",
    "refresh": "invalid_refresh_token",
    "reset_password": "invalid_link",
    "confirm_email": "invalid_link",
    "undo_email": "invalid_link",
    "undo_deletion": "invalid_link",
    "read_export": "no_export",
    "download_export": "invalid_link",
}
"""How an operation ends for who may call it, where its example does not succeed: nobody's token, for one."""

EXCEPTIONS: Final = {
    ("read_me", "a disabled account"): "invalid_token",
    ("change_me", "a disabled account"): "invalid_token",
    ("create_api_key", "a member who lost the permission"): "scopes_too_wide",
}
"""Cells that are stricter than the rule: these look at the account in any case, or give what it has."""

BODIES: Final[dict[str, Callable[[World], dict[str, Any]]]] = {
    # Nobody gives what they do not have: a member's permissions are what every caller has that may call.
    "create_role": lambda _: {"name": f"r{uuid4().hex[:16]}", "permissions": ["profile:read"]},
    "change_role": lambda _: {"permissions": ["profile:read"]},
    "set_user_roles": lambda _: {"roles": ["member"]},
}
"""Members in place of an example's, where that serves once only. Addresses of mail are new in any case."""


@dataclass(frozen=True)
class Row:
    """What a path parameter names: a row of the caller's own, or one of anybody's that a permission opens.

    `make` gives the name of a new row of an account; `missing` is that of none, and as long.
    """

    of: Literal["the caller", "anybody"]
    make: Callable[[World, UUID], object]
    missing: str = NOBODYS


def _session(world: World, owner: UUID) -> object:
    return world.rows(
        "insert into sessions (id, user_id, client_address, user_agent, expires_at) "
        "values (:id, :owner, '198.51.100.1', 'tests', now() + interval '1 day') returning id",
        id=uuid4(),
        owner=owner,
    )[0].id


def _role(world: World, _owner: UUID) -> object:
    name = f"r{uuid4().hex[:16]}"
    world.run("insert into roles (name, permissions) values (:name, '{profile:read}')", name=name)
    return name


ROWS: Final = {
    "api_key_id": Row("the caller", lambda world, owner: mint(world, owner).id),
    "session_id": Row("the caller", _session),
    "user_id": Row("anybody", lambda _, owner: owner),
    "name": Row("anybody", _role, missing="no-such-role-here"),
}
"""By path parameter."""
