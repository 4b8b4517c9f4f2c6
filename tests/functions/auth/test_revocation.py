"""RFC 7009, as whoever holds a token uses it."""

from uuid import UUID

import httpx
import pytest

from common.api_keys import key_digest, new_key
from common.ids import new_id
from functions.auth import limits
from tests.support.world import Person, World


def revoke(api: httpx.Client, token: str, **more: str) -> httpx.Response:
    return api.post("/v1/auth/revoke", data={"token": token} | more)


def refresh(api: httpx.Client, person: Person) -> httpx.Response:
    return api.post("/v1/auth/refresh", json={"refresh_token": person.refresh_token})


def api_key(world: World, user_id: UUID, *, scopes: str = "{profile:read}", previous: str = "") -> str:
    key_id = new_id()
    key = new_key(key_id)
    world.run(
        "insert into api_keys (id, user_id, name, digest, previous_digest, previous_expires_at, scopes) "
        "values (:id, :user_id, 'CI', :digest, :previous, now() + interval '1 hour', :scopes)",
        id=key_id,
        user_id=user_id,
        digest=key_digest(key),
        previous=key_digest(previous) if previous else None,
        scopes=scopes,
    )
    return key


def is_live(world: World, person: Person) -> bool:
    return bool(world.scalar("select revoked_at is null from sessions where user_id = :id", id=person.id))


def test_a_refresh_token_ends_its_session(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    answer = revoke(asgi, person.refresh_token, token_type_hint="refresh_token")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert refresh(asgi, person).status_code == 401
    assert world.audit(person.id)[-1] == ("session.revoked", "success")


def test_a_refresh_token_that_was_used_ends_its_session_as_well(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    renewed = refresh(asgi, person).json()
    assert revoke(asgi, person.refresh_token).status_code == 200
    again = asgi.post("/v1/auth/refresh", json={"refresh_token": renewed["refresh_token"]})
    assert again.status_code == 401


def test_an_access_token_ends_its_session(asgi: httpx.Client, world: World) -> None:
    person, other = world.person(), world.person()
    assert revoke(asgi, person.access_token, token_type_hint="refresh_token").status_code == 200
    assert refresh(asgi, person).status_code == 401
    assert refresh(asgi, other).status_code == 200


def test_an_api_key_is_deleted_and_its_owner_can_see_why(asgi: httpx.Client, world: World) -> None:
    user = world.account()
    key = api_key(world, user.id)
    headers = {"Authorization": f"Bearer {key}"}
    assert asgi.get("/v1/users/me", headers=headers).status_code == 200
    assert revoke(asgi, key).status_code == 200
    assert asgi.get("/v1/users/me", headers=headers).status_code == 401
    assert world.audit(user.id) == [("api_key.deleted", "success")]


def test_the_key_before_a_rotation_revokes_while_it_works(asgi: httpx.Client, world: World) -> None:
    user = world.account()
    key_id = new_id()
    before = new_key(key_id)
    world.run(
        "insert into api_keys (id, user_id, name, digest, previous_digest, previous_expires_at, scopes) "
        "values (:id, :user_id, 'CI', 'another', :previous, now() - interval '1 s', '{}')",
        id=key_id,
        user_id=user.id,
        previous=key_digest(before),
    )
    number = "select count(*) from api_keys where id = :id"
    assert revoke(asgi, before).status_code == 200
    assert world.scalar(number, id=key_id) == 1
    world.run("update api_keys set previous_expires_at = now() + interval '1 h' where id = :id", id=key_id)
    assert revoke(asgi, before).status_code == 200
    assert world.scalar(number, id=key_id) == 0


UNKNOWN = {
    "a refresh token": "lr_unknown",
    "an API key": new_key(new_id()),
    "a broken API key": "lk_unknown",
    "an access token": "a.b.c",
    "nonsense": "\N{SNOWMAN}\x00' or 1=1",
    "half of a surrogate pair": "lr_%ED%A0%80",
}


@pytest.mark.parametrize("kind", UNKNOWN)
def test_what_is_unknown_is_answered_as_what_is_revoked(kind: str, asgi: httpx.Client, world: World) -> None:
    known = revoke(asgi, world.person().refresh_token)
    unknown = revoke(asgi, UNKNOWN[kind])
    assert (unknown.status_code, unknown.json()) == (known.status_code, known.json()) == (200, known.json())
    assert set(unknown.headers) == set(known.headers)


def test_revoking_twice_is_no_error_and_recorded_once(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    for _ in range(2):
        assert revoke(asgi, person.refresh_token).status_code == 200
    assert world.audit(person.id).count(("session.revoked", "success")) == 1


@pytest.mark.parametrize("form", [{}, {"token": ""}, {"token_type_hint": "access_token"}])
def test_a_request_without_a_token_is_refused_in_the_words_of_the_protocol(
    form: dict[str, str], asgi: httpx.Client
) -> None:
    refused = asgi.post("/v1/auth/revoke", data=form)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    assert refused.json()["error_description"] == "token is missing."
    assert refused.headers["cache-control"] == "no-store"


def test_a_token_in_json_is_no_form(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    refused = asgi.post("/v1/auth/revoke", json={"token": person.refresh_token})
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    assert is_live(world, person)


@pytest.mark.usefixtures("limits_on")
def test_trying_tokens_is_limited_by_address(asgi: httpx.Client, world: World) -> None:
    quota = limits.OAUTH.quota
    assert revoke(asgi, "lr_unknown").headers["ratelimit-policy"] == f'"oauth";q={quota};w=60'
    # More than what drains until the next request.
    world.run("update rate_limits set spent = :spent", spent=quota + 100)
    refused = revoke(asgi, world.person().refresh_token)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
