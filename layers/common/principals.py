"""Who is asking, and how they are told that they may not."""

from dataclasses import dataclass
from uuid import UUID

from common.errors import Forbidden, Unauthenticated


class InvalidToken(Unauthenticated):
    """The access token or API key is malformed, expired, revoked, or not ours."""

    code = "invalid_token"
    detail = "The access token or API key is not valid or has expired: refresh it, or sign in again."

    def __init__(self) -> None:
        """With the challenge of RFC 6750, wherever it is raised."""
        super().__init__(headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


class InsufficientScope(Forbidden):
    """The token is valid but its scope lacks the permission."""

    code = "insufficient_scope"
    detail = "Your account, or this API key, does not have the permission that this needs."


class SessionRequired(Forbidden):
    """An API key came where only a person who is signed in may act."""

    code = "session_required"
    detail = "An API key cannot do this: sign in and send the access token."


class NetworkNotAllowed(Forbidden):
    """The API key may not be used from this address."""

    code = "network_not_allowed"
    detail = "This API key may not be used from your network."


class RecentSignInRequired(Unauthenticated):
    """The sign-in is too long ago for a sensitive operation (RFC 9470)."""

    code = "recent_sign_in_required"
    detail = "Prove again that it is you: POST your password to /v1/auth/reauthenticate, then repeat this."


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: a person in a session, or a program with an API key, which has no session.

    `permissions` is what the token or key allows.
    """

    user_id: UUID
    session_id: UUID | None
    permissions: frozenset[str]
    expires_at: float
    api_key_id: UUID | None = None
