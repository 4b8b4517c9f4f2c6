"""RFC 7662: what a token is, for services of one's own that are presented one."""

import time
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from common import tokens
from common.access import API_KEY_PREFIX
from common.api_keys import key_digest, public_id
from common.database import in_reading
from common.live_sessions import look_up
from common.one_time_tokens import token_digest
from common.principals import InvalidToken
from common.roles import granted
from common.settings import get_settings
from functions.auth.grants import TokenMissing
from functions.auth.repository import presented_tokens
from functions.auth.schemas.oauth import Introspection
from functions.auth.sign_in import REFRESH_TOKEN_PREFIX

_INACTIVE = Introspection(active=False)


async def introspect(token: str) -> Introspection:
    """What a token is at this moment: session, account and roles are looked up, and nothing is spent.

    Raises TokenMissing.
    """
    if not token:
        raise TokenMissing
    if token.startswith(API_KEY_PREFIX):
        return await in_reading(lambda connection: _api_key(connection, token))
    if token.startswith(REFRESH_TOKEN_PREFIX):
        return await in_reading(lambda connection: _refresh_token(connection, token))
    return await _access_token(token)


async def _access_token(token: str) -> Introspection:
    try:
        claims = await tokens.verified_claims(token)
        principal = await look_up(await tokens.verify(token), recent=False)
    except InvalidToken:
        return _INACTIVE
    # Operations allow for clocks that differ; who asks here is told the hour itself.
    if claims["exp"] <= time.time():
        return _INACTIVE
    return Introspection(
        active=True,
        token_type="Bearer",  # noqa: S106 - the name of the scheme
        scope=_scope(principal.permissions & set(claims["scope"].split())),
        sub=principal.user_id,
        exp=claims["exp"],
        iat=claims["iat"],
        auth_time=claims.get("auth_time"),
        iss=claims["iss"],
        aud=claims["aud"],
        sid=principal.session_id,
        jti=UUID(claims["jti"]),
    )


def _refresh_token(connection: Connection, token: str) -> Introspection:
    row = presented_tokens.live_refresh_token(connection, token_digest(token))
    if row is None:
        return _INACTIVE
    issuer = get_settings().issuer
    return Introspection(
        active=True,
        token_type="refresh_token",  # noqa: S106 - the name of the kind
        scope=_scope(granted(connection, row.roles)),
        sub=row.user_id,
        exp=_seconds(row.expires_at),
        iat=_seconds(row.created_at),
        auth_time=_seconds(row.authenticated_at),
        iss=issuer,
        # No service takes it for an access token that looks at its audience.
        aud=issuer,
        sid=row.session_id,
    )


def _api_key(connection: Connection, key: str) -> Introspection:
    key_id = public_id(key)
    row = presented_tokens.live_api_key(connection, key_id, key_digest(key)) if key_id else None
    if row is None:
        return _INACTIVE
    settings = get_settings()
    return Introspection(
        active=True,
        token_type="Bearer",  # noqa: S106 - the name of the scheme
        scope=_scope(granted(connection, row.roles) & set(row.scopes)),
        sub=row.user_id,
        exp=_seconds(row.expires_at) if row.expires_at else None,
        iat=_seconds(row.made_at),
        iss=settings.issuer,
        aud=settings.token_audience,
        jti=key_id,
        networks=list(row.networks) or None,
    )


def _scope(permissions: frozenset[str]) -> str:
    return " ".join(sorted(permissions))


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
