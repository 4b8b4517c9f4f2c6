"""The browser mode: the refresh token in a cookie that scripts cannot read, and only our own site can use."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Cookie, Depends, Request

from common.context import current_context
from common.errors import BadRequest
from common.settings import get_settings
from functions.auth.schemas.tokens import Tokens
from functions.auth.sign_in import InvalidRefreshToken

NAME: Final = "lambkin_refresh"
_SECONDS_A_DAY: Final = 86_400


class CrossSiteCookie(BadRequest):
    """A page of another site wants to get or to use the cookie."""

    code = "cross_site_cookie"
    detail = (
        "The cookie works for pages of one site with these functions only: call them through your frontend's "
        "own origin (a proxy, the gateway or CloudFront), or leave `cookie` out and keep the refresh token."
    )


def check_site(request: Request) -> None:
    """Refuse what a page of another site sends (Fetch Metadata, then Origin). Raises CrossSiteCookie.

    What carries neither header comes from no browser's page: every current one sends Origin with a POST.
    """
    site = request.headers.get("sec-fetch-site")
    if site in ("same-origin", "none"):
        return
    origin = request.headers.get("origin")
    if site == "cross-site" or (site is not None and origin is None):
        raise CrossSiteCookie
    if origin is not None and origin not in _own_origins():
        raise CrossSiteCookie


def _own_origins() -> set[str]:
    settings = get_settings()
    public = urlsplit(settings.public_url)
    return {*settings.allowed_origins, f"{public.scheme}://{public.netloc}"} - {"*", "null"}


async def _given(
    request: Request,
    token: Annotated[
        str | None,
        # As long as browsers keep one (RFC 6265, section 6.1): what is none of ours is refused as a token,
        # and the browser told to delete it.
        Cookie(alias=NAME, max_length=4096, description="The refresh token of the browser mode."),
    ] = None,
) -> str | None:
    if token is not None:
        check_site(request)
        if _number(request) > 1:
            # One is another's: a page of a sibling domain can set it, but not take ours away.
            raise CrossSiteCookie
    return token


def _number(request: Request) -> int:
    pairs = ";".join(request.headers.getlist("cookie")).split(";")
    return sum(pair.partition("=")[0].strip() == NAME for pair in pairs)


_given.problems = (CrossSiteCookie,)  # type: ignore[attr-defined]  # common.openapi reads it
RefreshCookie = Annotated[str | None, Depends(_given)]
"""The token in the cookie, where there is one and a page of our own site sent it."""


def keep(tokens: Tokens) -> Tokens:
    """Put the refresh token into the cookie, and take it out of the answer."""
    _set(tokens.refresh_token or "", get_settings().refresh_token_days * _SECONDS_A_DAY)
    return tokens.model_copy(update={"refresh_token": None})


def forget() -> None:
    """Have the browser delete the cookie."""
    _set("", 0)


@contextmanager
def forgotten_where_refused() -> Iterator[None]:
    """Have the browser delete a cookie whose token is refused, so that it is not sent for ever."""
    try:
        yield
    except InvalidRefreshToken as refusal:
        refusal.headers["Set-Cookie"] = _cookie("", 0)
        raise


def _set(value: str, seconds: int) -> None:
    current_context().response_headers["Set-Cookie"] = _cookie(value, seconds)


def _cookie(value: str, seconds: int) -> str:
    settings = get_settings()
    secure = "; Secure" if settings.secure_cookies else ""
    return f"{NAME}={value}; Path={settings.cookie_path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
