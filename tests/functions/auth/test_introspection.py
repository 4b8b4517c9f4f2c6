"""RFC 7662, as a service of one's own uses it."""

import time
from collections.abc import Callable
from typing import Any, Final

import httpx
import jwt
import pytest

from common.api_keys import key_digest, new_key
from common.ids import new_id
from common.permissions import MEMBER
from common.settings import get_settings
from tests.functions.auth.test_access_tokens import FORGERIES
from tests.functions.auth.test_revocation import UNKNOWN, api_key
from tests.support.world import Person, World

INACTIVE: Final = {"active": False}
ISSUER: Final = "http://localhost:8000/v1/auth"

type Ask = Callable[[str], dict[str, Any]]


@pytest.fixture
def ask(asgi: httpx.Client, world: World) -> Ask:
    """What a service with an API key is told of a token."""
    service = api_key(world, world.account(roles=["admin"]).id, scopes="{tokens:introspect}")

    def introspect(token: str) -> dict[str, Any]:
        form = {"token": token, "token_type_hint": "access_token"}
        answer = asgi.post("/v1/auth/introspect", data=form, headers={"Authorization": f"Bearer {service}"})
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        told: dict[str, Any] = answer.json()
        return told

    return introspect


def test_an_access_token_is_told_with_its_claims_and_nothing_personal(ask: Ask, world: World) -> None:
    person = world.person()
    claims = jwt.decode(person.access_token, options={"verify_signature": False})
    told = ask(person.access_token)
    assert told == {"active": True, "token_type": "Bearer"} | claims
    assert person.email not in str(told)


def test_a_refresh_token_is_told_for_its_issuer_alone_and_not_spent(
    ask: Ask, asgi: httpx.Client, world: World
) -> None:
    person = world.person()
    told = ask(person.refresh_token)
    assert told.keys() == {
        "active", "token_type", "scope", "sub", "exp", "iat", "auth_time", "iss", "aud", "sid",
    }  # fmt: skip
    assert told["token_type"] == "refresh_token"
    assert (told["iss"], told["aud"]) == (ISSUER, ISSUER)
    assert told["sub"] == str(person.id)
    assert told["scope"] == " ".join(sorted(MEMBER))
    assert told["exp"] - told["iat"] == get_settings().refresh_token_days * 86_400
    assert asgi.post("/v1/auth/refresh", json={"refresh_token": person.refresh_token}).status_code == 200


def test_an_api_key_is_told_with_what_it_and_its_account_both_permit(ask: Ask, world: World) -> None:
    user = world.account()
    key = api_key(world, user.id, scopes="{profile:read,users:write}")
    told = ask(key)
    assert told.keys() == {"active", "token_type", "scope", "sub", "iat", "iss", "aud", "jti"}
    assert (told["scope"], told["sub"], told["aud"]) == ("profile:read", str(user.id), "lambkin")
    key_id = told["jti"]
    world.run(
        "update api_keys set networks = '{203.0.113.0/24}', expires_at = now() + interval '1 h' "
        "where id = :id",
        id=key_id,
    )
    told = ask(key)
    assert told["networks"] == ["203.0.113.0/24"]
    assert abs(told["exp"] - time.time() - 3600) < 60
    assert world.scalar("select last_used_at from api_keys where id = :id", id=key_id) is None


def test_the_key_before_a_rotation_is_active_as_long_as_it_works(ask: Ask, world: World) -> None:
    key_id = new_id()
    before, after = new_key(key_id), new_key(key_id)
    world.run(
        "insert into api_keys (id, user_id, name, digest, previous_digest, previous_expires_at, scopes, "
        "rotated_at) values (:id, :user_id, 'CI', :after, :before, now() + interval '1 h', '{}', now())",
        id=key_id,
        user_id=world.account().id,
        before=key_digest(before),
        after=key_digest(after),
    )
    assert ask(before)["exp"] <= time.time() + 3660
    assert "exp" not in ask(after)
    world.run("update api_keys set previous_expires_at = now() where id = :id", id=key_id)
    assert ask(before) == INACTIVE
    assert ask(after)["active"]


@pytest.mark.parametrize("kind", UNKNOWN)
def test_anything_else_is_inactive_and_nothing_more_is_told(kind: str, ask: Ask) -> None:
    assert ask(UNKNOWN[kind]) == INACTIVE


@pytest.mark.parametrize("forgery", sorted(FORGERIES.keys() - {"a refresh token"}))
def test_a_forged_token_is_inactive(forgery: str, ask: Ask, world: World) -> None:
    assert ask(FORGERIES[forgery](world)) == INACTIVE


ENDS: Final[dict[str, str]] = {
    "a revoked session": "update sessions set revoked_at = now() where user_id = :id",
    "an expired session": "update sessions set expires_at = now() where user_id = :id",
    "a disabled account": "update users set state = 'disabled' where id = :id",
    "a deleted account": "delete from users where id = :id",
}


@pytest.mark.parametrize("end", ENDS)
def test_what_has_ended_is_inactive_at_once(end: str, ask: Ask, world: World) -> None:
    person = world.person()
    tokens = [person.access_token, person.refresh_token]
    if end.endswith("account"):
        tokens.append(api_key(world, person.id))
    assert all(ask(token)["active"] for token in tokens)
    world.run(ENDS[end], id=person.id)
    assert [ask(token) for token in tokens] == [INACTIVE] * len(tokens)


def test_a_used_and_an_expired_refresh_token_are_inactive(ask: Ask, asgi: httpx.Client, world: World) -> None:
    person = world.person()
    renewed = asgi.post("/v1/auth/refresh", json={"refresh_token": person.refresh_token}).json()
    assert ask(person.refresh_token) == INACTIVE
    assert ask(renewed["refresh_token"])["active"]
    world.run("update refresh_tokens set expires_at = now() where rotated_at is null")
    assert ask(renewed["refresh_token"]) == INACTIVE


def test_an_expired_key_is_inactive(ask: Ask, world: World) -> None:
    key = api_key(world, world.account().id)
    world.run("update api_keys set expires_at = now() where digest = :digest", digest=key_digest(key))
    assert ask(key) == INACTIVE


def test_an_access_token_that_expired_this_second_is_inactive_although_operations_have_leeway(
    ask: Ask, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = world.person()
    expires = jwt.decode(person.access_token, options={"verify_signature": False})["exp"]
    monkeypatch.setattr("functions.auth.introspection.time.time", lambda: float(expires))
    assert ask(person.access_token) == INACTIVE


def test_a_lost_role_narrows_the_scope_at_once_and_a_new_one_does_not_widen_it(
    ask: Ask, world: World
) -> None:
    person = world.person(roles=["admin"])
    assert "users:write" in ask(person.access_token)["scope"]
    world.run("update users set roles = '{member}' where id = :id", id=person.id)
    assert ask(person.access_token)["scope"] == " ".join(sorted(MEMBER))
    member = world.person()
    world.run("update users set roles = '{admin}' where id = :id", id=member.id)
    assert ask(member.access_token)["scope"] == " ".join(sorted(MEMBER))


def _nobody(_: World) -> dict[str, str]:
    return {}


def _stranger(_: World) -> dict[str, str]:
    return {"Authorization": "Bearer no.such.token"}


def _member(world: World) -> dict[str, str]:
    return world.person().headers


def _key_without_the_scope(world: World) -> dict[str, str]:
    admin = world.account(roles=["admin"])
    return {"Authorization": f"Bearer {api_key(world, admin.id, scopes='{users:read}')}"}


def _administrator_who_was_one(world: World) -> dict[str, str]:
    person: Person = world.person(roles=["admin"])
    world.run("update users set roles = '{member}' where id = :id", id=person.id)
    return person.headers


def _administrator_signed_out(world: World) -> dict[str, str]:
    person: Person = world.person(roles=["admin"])
    world.run("update sessions set revoked_at = now() where user_id = :id", id=person.id)
    return person.headers


@pytest.mark.parametrize(
    ("who", "status"),
    [
        (_nobody, 401),
        (_stranger, 401),
        (_member, 403),
        (_key_without_the_scope, 403),
        (_administrator_who_was_one, 403),
        (_administrator_signed_out, 401),
    ],
)
def test_who_may_not_ask_is_told_nothing(
    who: Callable[[World], dict[str, str]], status: int, asgi: httpx.Client, world: World
) -> None:
    for token in (world.person().access_token, "unknown", ""):
        refused = asgi.post("/v1/auth/introspect", data={"token": token}, headers=who(world))
        assert refused.status_code == status
        assert "active" not in refused.json()


def test_an_administrator_may_ask(asgi: httpx.Client, world: World) -> None:
    person = world.person(roles=["admin"])
    told = asgi.post("/v1/auth/introspect", data={"token": person.access_token}, headers=person.headers)
    assert told.json()["active"] is True


def test_a_request_without_a_token_is_refused_in_the_words_of_the_protocol(
    asgi: httpx.Client, world: World
) -> None:
    headers = world.person(roles=["admin"]).headers
    for form in ({}, {"token": ""}):
        refused = asgi.post("/v1/auth/introspect", data=form, headers=headers)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
