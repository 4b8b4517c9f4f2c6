from typing import Annotated

from fastapi import Form

from common.access import requires
from common.database import Db
from common.errors import (
    BadRequest,
    ContentTooLarge,
    InvalidInput,
    TooManyRequests,
    Unavailable,
    problems,
)
from common.rate_limits import limited
from common.routing import Router, combine
from common.schemas import Message
from functions.auth import grants, introspection, limits, revocation
from functions.auth.key_set import key_set
from functions.auth.schemas.oauth import Introspection, KeySet, PresentedToken, ServerMetadata
from functions.auth.schemas.tokens import Tokens
from functions.auth.server_metadata import server_metadata

own = Router(prefix="/v1/auth", tags=["auth"])
# Where RFC 8414, section 3 looks for the metadata of an issuer that has a path.
well_known = Router(prefix="/.well-known", tags=["auth"])

PresentedForm = Annotated[PresentedToken, Form()]
_METADATA = "oauth-authorization-server"


@own.post(
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


@own.post(
    "/revoke",
    operation_id="revoke_token",
    summary="Revoke a token",
    dependencies=[limited(limits.OAUTH, overall=limits.OAUTH_EVERYBODY)],
    responses=problems(grants.TokenMissing),
)
async def revoke(form: PresentedForm) -> Message:
    """RFC 7009: an access or refresh token ends its session, an API key is deleted.

    The answer is the same for a token that is unknown or works no more. Access tokens of the session still
    pass where an operation does not look the session up, until they expire.
    """
    await revocation.revoke(form.token)
    return Message(message="If the token was one of ours, it is revoked.")


@own.post(
    "/introspect",
    operation_id="introspect_token",
    summary="Ask what a token is",
    dependencies=[requires("tokens:introspect", live=True)],
    response_model_exclude_none=True,
    responses=problems(grants.TokenMissing, Unavailable),
)
async def introspect(form: PresentedForm) -> Introspection:
    """RFC 7662, for services of your own: is this access token, refresh token or API key active, and whose?

    Sessions, accounts and roles are looked up, so that a revocation counts at once. Nothing is spent.
    """
    return await introspection.introspect(form.token)


@own.get(
    "/.well-known/jwks.json",
    operation_id="jwks",
    summary="The keys that verify access tokens",
)
def jwks(db: Db) -> KeySet:
    """The JWK set (RFC 7517) of the keys that may have signed, or will sign, a live access token."""
    return key_set(db)


@own.get(
    f"/.well-known/{_METADATA}",
    operation_id="oauth_metadata",
    summary="What an OAuth 2.0 client needs to know",
)
@well_known.get(f"/{_METADATA}/v1/auth", include_in_schema=False)
async def metadata() -> ServerMetadata:
    """The authorization server metadata (RFC 8414).

    It is also at `/.well-known/oauth-authorization-server/v1/auth`, where the standard looks for it.
    """
    return server_metadata()


router = combine(own, well_known)
