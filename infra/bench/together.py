"""`auth` and `users` in one process, as the stack on a laptop has them."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from functions.auth.app import app as auth
from functions.users.app import app as users

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one request."""
    await (auth if scope["path"].startswith("/v1/auth/") else users)(scope, receive, send)
