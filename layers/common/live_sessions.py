"""The look at the session itself, for operations that do not wait until a token expires."""

from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from common.database.transactions import AnyRow, in_reading
from common.permissions import permissions_of
from common.principals import InvalidToken, Principal, RecentSignInRequired
from common.roles import OWN_MADE
from common.settings import get_settings

_LIVE: Final = text(f"""
    select extract(epoch from now() - authenticated_at) as age, users.roles, {OWN_MADE}
    from sessions join users on users.id = sessions.user_id
    where sessions.id = :session_id and user_id = :user_id and revoked_at is null and expires_at > now()
        and users.state = 'active'
""")  # noqa: S608 - a constant of ours
_NOW: Final = text(f"""
    select users.roles, {OWN_MADE} from users
    where users.id = :user_id and users.state = 'active'
        and (cast(:session_id as uuid) is null or exists (
            select from sessions where sessions.id = :session_id and revoked_at is null and expires_at > now()
        ))
        and (cast(:api_key_id as uuid) is null or exists (
            select from api_keys where api_keys.id = :api_key_id
                and (api_keys.expires_at is null or api_keys.expires_at > now())
        ))
""")  # noqa: S608 - a constant of ours


async def look_up(principal: Principal, *, recent: bool) -> Principal:
    """The principal with the permissions that its account has now.

    Raises InvalidToken where the session or the account is no longer live, RecentSignInRequired where
    `recent` is wanted and the person proved who they are too long ago.
    """
    row = await in_reading(lambda connection: _find(connection, principal))
    if row is None:
        raise InvalidToken
    longest = get_settings().recent_sign_in_seconds
    if recent and row.age > longest:
        challenge = f'Bearer error="insufficient_user_authentication", max_age="{longest}"'
        raise RecentSignInRequired(headers={"WWW-Authenticate": challenge})
    return replace(principal, permissions=permissions_of(row.roles, row.own_made))


def _find(connection: Connection, principal: Principal) -> AnyRow | None:
    parameters = {"session_id": principal.session_id, "user_id": principal.user_id}
    return connection.execute(_LIVE, parameters).first()


def still_permitted(session: Session, principal: Principal) -> frozenset[str]:
    """What of its permissions a principal has at this moment, nothing where its session or account has ended.

    For after a wait for a lock: whoever held it may have taken them away.
    """
    parameters = {
        "user_id": principal.user_id,
        "session_id": principal.session_id,
        "api_key_id": principal.api_key_id,
    }
    row = session.execute(_NOW, parameters).first()
    return principal.permissions & permissions_of(row.roles, row.own_made) if row else frozenset()
