from fastapi import Request

from common.access import CurrentUser
from common.database import Db
from common.errors import TooManyRequests, Unavailable, problems
from common.rate_limits import limited
from common.routing import Router
from functions.auth import limits, sessions, sign_in
from functions.auth.endpoints import cookies
from functions.auth.schemas.tokens import Logout, Refresh, SignIn, Tokens

router = Router(prefix="/v1/auth", tags=["auth"])


@router.post(
    "/login",
    operation_id="login",
    summary="Sign in",
    responses=problems(*sign_in.REFUSALS, cookies.CrossSiteCookie, TooManyRequests, Unavailable),
)
async def login(body: SignIn, request: Request) -> Tokens:
    """Open a session with an address and a password.

    With `cookie`, the refresh token is kept in an HttpOnly cookie and is not in the answer.
    """
    if body.cookie:
        cookies.check_site(request)
    await limits.check_sign_in(body.email)
    tokens = await sign_in.sign_in(body.email, body.password)
    return cookies.keep(tokens) if body.cookie else tokens


@router.post(
    "/refresh",
    operation_id="refresh",
    summary="Get the next tokens",
    dependencies=[limited(limits.REFRESH, overall=limits.REFRESH_EVERYBODY)],
    responses=problems(sign_in.InvalidRefreshToken, cookies.CrossSiteCookie),
)
def refresh(db: Db, cookie: cookies.RefreshCookie, body: Refresh | None = None) -> Tokens:
    """Rotate a refresh token: the one in the body, or else the one in the cookie.

    For 10 s a rotated token answers with its successor, so that parallel tabs need no lock; used later, it
    ends the session.
    """
    if body is not None:
        return sign_in.refresh(db, body.refresh_token)
    with cookies.forgotten_where_refused():
        return cookies.keep(sign_in.refresh(db, cookie or ""))


@router.post(
    "/logout",
    status_code=204,
    operation_id="logout",
    summary="Sign out",
)
def logout(user: CurrentUser, db: Db, cookie: cookies.RefreshCookie, body: Logout | None = None) -> None:
    """End this session, the others, or all of them.

    Their refresh tokens stop working at once, access tokens within their 10 minutes.
    """
    scope = body.scope if body else "current"
    sessions.sign_out(db, user, scope)
    if cookie is not None and scope != "others":
        cookies.forget()
