from common.database import Db
from common.errors import BadRequest, ContentTooLarge, InvalidInput, TooManyRequests, Unavailable, problems
from common.routing import Router
from functions.auth import grants
from functions.auth.key_set import key_set
from functions.auth.schemas.oauth import KeySet
from functions.auth.schemas.tokens import Tokens

router = Router(prefix="/v1/auth", tags=["auth"])


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


@router.get(
    "/.well-known/jwks.json",
    operation_id="jwks",
    summary="The keys that verify access tokens",
)
def jwks(db: Db) -> KeySet:
    """The JWK set (RFC 7517) of the keys that may have signed a live access token."""
    return key_set(db)
