from common.access import CurrentUser, InvalidToken
from common.database import Db, answer_in_transaction
from common.errors import (
    BadRequest,
    ContentTooLarge,
    InvalidInput,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
    problems,
)
from common.idempotency import Idempotent, InFlight, KeyReused
from common.rate_limits import limited
from common.routing import Router
from common.schemas import Message
from functions.auth import grants, limits, registration, sign_in
from functions.auth.key_set import key_set
from functions.auth.passwords import get_passwords
from functions.auth.schemas import EmailVerification, KeySet, Refresh, Registration, SignIn, Tokens

router = Router(prefix="/v1/auth", tags=["auth"])

_BODY = (BadRequest, ContentTooLarge, UnsupportedMediaType, InvalidInput, TooManyRequests, Unavailable)
_REGISTERED = "If the address can be registered, a mail is on its way to it."


@router.post(
    "/register",
    status_code=202,
    operation_id="register",
    summary="Create an account",
    dependencies=[limited(limits.REGISTER), Idempotent],
    responses=problems(*_BODY, InFlight, KeyReused),
)
async def register(body: Registration) -> Message:
    """Mail a link that verifies the address; its owner gets a notice where an account exists already.

    The answer is the same in both cases.
    """
    password_hash = await get_passwords().hash(body.password)
    may_mail = await limits.may_mail(body.email)

    def work(session: Db) -> Message:
        if may_mail:
            registration.register(session, body.email, body.name, password_hash)
        return Message(message=_REGISTERED)

    return await answer_in_transaction(work)


@router.post(
    "/verify-email",
    operation_id="verify_email",
    summary="Verify an address",
    dependencies=[limited(limits.VERIFY)],
    responses=problems(*_BODY, registration.InvalidLink),
)
def verify_email(body: EmailVerification, db: Db) -> Message:
    """Spend the token of a mailed link: from now on the account can sign in."""
    registration.verify_email(db, body.token)
    return Message(message="The address is verified. You can sign in now.")


@router.post(
    "/login",
    operation_id="login",
    summary="Sign in",
    responses=problems(*_BODY, sign_in.InvalidCredentials, sign_in.EmailNotVerified, sign_in.AccountDisabled),
)
async def login(body: SignIn) -> Tokens:
    """Open a session with an address and a password."""
    await limits.check_sign_in(body.email)
    return await sign_in.sign_in(body.email, body.password)


@router.post(
    "/refresh",
    operation_id="refresh",
    summary="Get the next tokens",
    dependencies=[limited(limits.REFRESH)],
    responses=problems(*_BODY, sign_in.InvalidRefreshToken),
)
def refresh(body: Refresh, db: Db) -> Tokens:
    """Rotate a refresh token.

    For 10 s a rotated token answers with its successor, so that parallel tabs need no lock; used later, it
    ends the session.
    """
    return sign_in.refresh(db, body.refresh_token)


@router.post(
    "/token",
    operation_id="token",
    summary="OAuth 2.0 token endpoint",
    responses=problems(
        grants.InvalidRequest,
        grants.InvalidGrant,
        grants.UnsupportedGrantType,
        BadRequest,
        ContentTooLarge,
        InvalidInput,
        TooManyRequests,
        Unavailable,
    ),
)
async def token(form: grants.TokenForm) -> Tokens:
    """The `password` and `refresh_token` grants of RFC 6749, for standard clients.

    A refusal is a problem with the members `error` and `error_description` of RFC 6749.
    """
    return await grants.grant(form)


@router.post(
    "/logout",
    status_code=204,
    operation_id="logout",
    summary="Sign out",
    responses=problems(Unauthenticated, InvalidToken, Unavailable),
)
def logout(user: CurrentUser, db: Db) -> None:
    """End this session. Its refresh token stops working at once, access tokens within their 10 minutes."""
    sign_in.sign_out(db, user)


@router.get(
    "/.well-known/jwks.json",
    operation_id="jwks",
    summary="The keys that verify access tokens",
    responses=problems(Unavailable),
)
def jwks(db: Db) -> KeySet:
    """The JWK set (RFC 7517) of the keys that may have signed a live access token."""
    return key_set(db)
