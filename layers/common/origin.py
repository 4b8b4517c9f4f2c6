"""Requests that come through the proxy in front, and those that pass it by.

ORIGIN_SECRET is what that proxy, such as CloudFront, adds to each request. A function URL is open to all
who finds it: what comes without the secret is refused, so that nothing gets past the proxy's rules.
"""

import hmac
from typing import Final

from starlette.types import Scope

from common.errors import AppError, Forbidden
from common.settings import secret_settings

HEADER: Final = b"x-origin-secret"
_FORWARDED: Final = b"x-forwarded-for"
_PROBES: Final = ("/livez", "/readyz")


class OriginRequired(Forbidden):
    """The request came to the function itself, and not through the proxy in front of it."""

    code = "origin_required"
    detail = (
        "Send this to the public address of the API: its functions are not open to the outside by themselves."
    )


def admit(scope: Scope) -> tuple[Scope, AppError | None]:
    """The request as the proxy got it: from the last address that it forwarded for; or why it is refused.

    Probes are open, as nothing in front of a deployment asks them.
    """
    if scope["path"].endswith(_PROBES):
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
    hops = [
        hop.strip()
        for name, value in scope["headers"]
        if name == _FORWARDED
        for hop in value.decode("latin-1").split(",")
    ]
    kept = [(name, value) for name, value in scope["headers"] if name not in (HEADER, _FORWARDED)]
    if not hops:
        return {**scope, "headers": kept}
    before = ", ".join(hops[:-1]).encode("latin-1")
    return {**scope, "headers": [*kept, (_FORWARDED, before)] if before else kept, "client": (hops[-1], 0)}
