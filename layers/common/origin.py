"""Requests that come through the proxy in front, and those that pass it by.

ORIGIN_SECRET is what that proxy, such as CloudFront, adds to each request. A function URL is open to all
who finds it: what comes without the secret is refused, so that nothing gets past the proxy's rules.
"""

import hmac
import re
from typing import Final

from starlette.types import Scope

from common.client_address import is_address
from common.errors import AppError, Forbidden
from common.settings import secret_settings

HEADER: Final = b"x-origin-secret"
VIEWER: Final = b"x-viewer-address"
_OF_THE_PROXY: Final = frozenset({HEADER, VIEWER, b"x-forwarded-for"})
PROBE: Final = re.compile(r"/v1/[^/]+/(livez|readyz)")


class OriginRequired(Forbidden):
    """The request came to the function itself, and not through the proxy in front of it."""

    code = "origin_required"
    detail = (
        "Send this to the public address of the API: its functions are not open to the outside by themselves."
    )


def admit(scope: Scope) -> tuple[Scope, AppError | None]:
    """The request as the proxy got it, from the address that it names; or why it is refused.

    Probes are open, as nothing in front of a deployment asks them.
    """
    if PROBE.fullmatch(scope["path"]):
        return scope, None
    given = next((value for name, value in scope["headers"] if name == HEADER), b"")
    try:
        expected = (secret_settings().origin_secret or "").encode()
    except AppError as error:
        return scope, error
    if not hmac.compare_digest(given, expected):
        return scope, OriginRequired()
    return _as_the_proxy_got_it(scope), None


def _as_the_proxy_got_it(scope: Scope) -> Scope:
    """As from `X-Viewer-Address`, which the proxy sets itself; what was forwarded before that is hearsay."""
    found = next((value for name, value in scope["headers"] if name == VIEWER), b"").decode("latin-1")
    kept = [(name, value) for name, value in scope["headers"] if name not in _OF_THE_PROXY]
    if not is_address(found):
        return {**scope, "headers": kept}
    return {**scope, "headers": kept, "client": (found, 0)}
