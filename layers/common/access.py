"""What an operation demands of who calls it: the one place in which access is decided.

- `user: Annotated[Principal, requires("users:read")]`: a token or an API key with that permission.
- `user: CurrentUser`: a person who is signed in; an API key is refused.
- `requires("users:write", live=True)`: the session and the permissions are looked up, so that a revocation
  or a lost role counts at once and not when the token expires.
- `requires("users:write", recent=True)`, `RecentUser`: live, and the person has proved who they are within
  RECENT_SIGN_IN_SECONDS.
"""

from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.openapi.models import OAuth2, OAuthFlowPassword, OAuthFlows
from fastapi.security.base import SecurityBase

from common import tokens
from common.context import current_context
from common.errors import AppError, TooManyRequests, Unauthenticated, Unavailable
from common.permissions import PERMISSIONS
from common.principals import (
    InsufficientScope,
    InvalidToken,
    NetworkNotAllowed,
    Principal,
    RecentSignInRequired,
    SessionRequired,
)
from common.tokens import forget_tokens

__all__ = [
    "Access",
    "CurrentUser",
    "InsufficientScope",
    "InvalidToken",
    "LiveUser",
    "Principal",
    "RecentUser",
    "forget_tokens",
    "requires",
]

API_KEY_PREFIX = "lk_"


class Access(SecurityBase):
    """One demand, as a FastAPI dependency that gives the Principal.

    Without a `permission` only a session will do.
    """

    def __init__(self, permission: str | None = None, *, live: bool = False, recent: bool = False) -> None:
        """`recent` implies `live`. Raises ValueError for a permission that there is not."""
        if permission is not None and permission not in PERMISSIONS:
            raise ValueError(f"{permission!r} is not in common.permissions.PERMISSIONS")
        self.permission = permission
        self.recent = recent
        self.live = live or recent
        self.takes_api_keys = permission is not None and not recent
        self.scheme_name = "AccessToken"
        # Documented as the OAuth 2.0 password flow, so that `/docs` can sign in.
        scopes = {permission: permission for permission in sorted(PERMISSIONS)}
        flow = OAuthFlowPassword(tokenUrl="/v1/auth/token", refreshUrl="/v1/auth/token", scopes=scopes)
        self.model = OAuth2(flows=OAuthFlows(password=flow), description="An access token of `auth`.")

    @property
    def problems(self) -> tuple[type[AppError], ...]:
        """How it refuses, for the description of the operation."""
        told: list[type[AppError]] = [Unauthenticated, InvalidToken, Unavailable]
        if self.permission is not None:
            told.append(InsufficientScope)
        if self.takes_api_keys:
            told += [NetworkNotAllowed, TooManyRequests]
        else:
            told.append(SessionRequired)
        if self.recent:
            told.append(RecentSignInRequired)
        return tuple(told)

    async def __call__(self, request: Request) -> Principal:
        """Raises Unauthenticated, with the challenge that RFC 6750 wants, or Forbidden."""
        credential = _credential(request)
        context = current_context()
        if credential.startswith(API_KEY_PREFIX):
            principal = await self._of_key(credential)
        else:
            principal = await tokens.verify(credential)
        if self.live and principal.session_id is not None:
            from common.live_sessions import look_up

            principal = await look_up(principal, recent=self.recent)
        context.user_id = principal.user_id
        context.session_id = principal.session_id
        context.api_key_id = principal.api_key_id
        if self.permission is not None and self.permission not in principal.permissions:
            raise InsufficientScope(headers=_scope_challenge(self.permission))
        return principal

    async def _of_key(self, credential: str) -> Principal:
        # Most callers are people: who uses no key does not pay for its code.
        from common.api_keys import is_api_key, verify_api_key

        if self.takes_api_keys:
            return await verify_api_key(credential, fresh=self.live)
        # Whatever that key may do, it cannot do this: there is nothing to look up.
        raise SessionRequired if is_api_key(credential) else InvalidToken


def _credential(request: Request) -> str:
    given = request.headers.getlist("authorization")
    # Of two, a proxy may look at one and we at the other.
    scheme, _, credential = (given[0] if len(given) == 1 else "").partition(" ")
    if scheme.lower() != "bearer" or not credential:
        raise Unauthenticated(headers={"WWW-Authenticate": "Bearer"})
    # Nothing but spaces: what else Python takes for white space is no part of a header's syntax.
    return credential.strip(" ")


def _scope_challenge(permission: str) -> dict[str, str]:
    return {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{permission}"'}


def requires(permission: str, *, live: bool = False, recent: bool = False) -> Any:  # noqa: ANN401 - FastAPI's marker has no public type
    """The permission as a dependency: annotate a Principal with it, or list it in `dependencies=`."""
    return Depends(Access(permission, live=live, recent=recent))


CurrentUser = Annotated[Principal, Depends(Access())]
LiveUser = Annotated[Principal, Depends(Access(live=True))]
RecentUser = Annotated[Principal, Depends(Access(recent=True))]
