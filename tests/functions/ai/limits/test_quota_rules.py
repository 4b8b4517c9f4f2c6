"""The rules of quotas, as administrators make them."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.api_keys import mint
from tests.support.world import Person, World

QUOTAS = "/v1/ai/quotas"


@pytest.fixture
def admin(world: World) -> Person:
    return world.person(roles=["admin"])


def make(api: httpx.Client, admin: Person, **quota: Any) -> httpx.Response:
    return api.post(QUOTAS, json={"period": "day", "requests": 5} | quota, headers=admin.headers)


def test_a_quota_is_made_read_changed_and_deleted(asgi: httpx.Client, world: World, admin: Person) -> None:
    user = world.account()
    made = make(asgi, admin, user_id=str(user.id), model="Tiny", tokens=1000)
    assert made.status_code == 201
    assert (made.json()["model"], made.headers["ETag"]) == ("tiny:latest", '"1"')
    path = f"{QUOTAS}/{made.json()['id']}"
    again = asgi.get(path, headers=admin.headers | {"If-None-Match": '"1"'})
    assert again.status_code == 304
    changed = asgi.patch(path, json={"requests": None}, headers=admin.headers | {"If-Match": '"1"'})
    assert (changed.json()["requests"], changed.json()["tokens"]) == (None, 1000)
    late = asgi.patch(path, json={"requests": 1}, headers=admin.headers | {"If-Match": '"1"'})
    assert late.status_code == 412
    assert asgi.delete(path, headers=admin.headers).status_code == 204
    assert asgi.get(path, headers=admin.headers).status_code == 404
    actions = ["ai_quota.created", "ai_quota.changed", "ai_quota.deleted"]
    assert world.audit(user.id) == [(action, "success") for action in actions]


def test_there_is_one_quota_of_a_kind(asgi: httpx.Client, world: World, admin: Person) -> None:
    user = world.account()
    assert make(asgi, admin, user_id=str(user.id)).status_code == 201
    assert make(asgi, admin, user_id=str(user.id), requests=9).json()["code"] == "quota_exists"
    assert make(asgi, admin, user_id=str(user.id), period="month").status_code == 201
    assert make(asgi, admin, user_id=str(user.id), model="x").status_code == 201


@pytest.mark.parametrize("member", ["user_id", "role", "api_key_id"])
def test_a_quota_is_of_somebody_who_is_there(asgi: httpx.Client, admin: Person, member: str) -> None:
    refused = make(asgi, admin, **{member: str(uuid4())})
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_subject")
    assert refused.json()["errors"][0]["pointer"] == f"#/{member}"


def test_a_quota_is_of_one(asgi: httpx.Client, world: World, admin: Person) -> None:
    assert make(asgi, admin, user_id=str(world.account().id), role="member").status_code == 422


def test_quotas_are_listed_by_whose_they_are(asgi: httpx.Client, world: World, admin: Person) -> None:
    user = world.account()
    key = mint(world, user.id, "ai:use")
    mine = [make(asgi, admin, user_id=str(user.id), period=each).json()["id"] for each in ("day", "month")]
    of_key = make(asgi, admin, api_key_id=str(key.id)).json()["id"]
    of_user = {"user_id": str(user.id), "limit": "10"}
    listed = asgi.get(QUOTAS, params=of_user, headers=admin.headers).json()
    assert [each["id"] for each in listed["items"]] == mine[::-1]
    listed = asgi.get(QUOTAS, params={"api_key_id": str(key.id)}, headers=admin.headers).json()
    assert [each["id"] for each in listed["items"]] == [of_key]


def test_a_quota_made_twice_with_one_key_is_one(asgi: httpx.Client, world: World, admin: Person) -> None:
    headers = admin.headers | {"Idempotency-Key": uuid4().hex}
    body = {"user_id": str(world.account().id), "period": "day", "requests": 1}
    first, second = (asgi.post(QUOTAS, json=body, headers=headers) for _ in range(2))
    assert first.json() == second.json()
    assert second.headers["Idempotency-Replayed"] == "true"
