"""A key gets a new secret, and the one before has its time to leave."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from common.api_keys import is_api_key, public_id
from common.ids import new_id
from common.models.base import now
from tests.support.api_keys import KEYS, Key, mint, use
from tests.support.world import Person, World


def rotate(api: httpx.Client, person: Person, key: Key, **body: Any) -> httpx.Response:
    return api.post(f"{KEYS}/{key.id}/rotate", json=body or None, headers=person.headers)


def test_both_secrets_work_during_the_overlap_and_the_new_one_after_it(
    asgi: httpx.Client, world: World
) -> None:
    person = world.person()
    key = mint(world, person.id)
    answer = rotate(asgi, person, key)
    assert answer.status_code == 200
    successor = answer.json()["key"]
    assert is_api_key(successor)
    assert public_id(successor) == key.id
    assert (use(asgi, key.key), use(asgi, successor)) == (200, 200)
    left = datetime.fromisoformat(answer.json()["previous_expires_at"]) - now()
    assert timedelta(hours=23.9) < left <= timedelta(hours=24)
    world.run("update api_keys set previous_expires_at = now() where id = :id", id=key.id)
    rename(asgi, person, key)
    assert (use(asgi, key.key), use(asgi, successor)) == (401, 200)


def rename(api: httpx.Client, person: Person, key: Key) -> dict[str, Any]:
    """Any change, so that this process reads the key anew."""
    answer = api.patch(
        f"{KEYS}/{key.id}", json={"name": "Renamed"}, headers=person.headers | {"If-Match": "*"}
    )
    assert answer.status_code == 200
    return dict(answer.json())


def test_a_second_rotation_ends_the_older_secret_at_once(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    first = mint(world, person.id)
    second = rotate(asgi, person, first).json()["key"]
    assert (use(asgi, first.key), use(asgi, second)) == (200, 200)
    third = rotate(asgi, person, first).json()["key"]
    assert [use(asgi, key) for key in (first.key, second, third)] == [401, 200, 200]


def test_without_an_overlap_the_secret_before_ends_at_once(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    key = mint(world, person.id)
    assert use(asgi, key.key) == 200
    answer = rotate(asgi, person, key, overlap_seconds=0).json()
    assert (use(asgi, key.key), use(asgi, answer["key"])) == (401, 200)
    assert answer["previous_expires_at"] is None
    assert world.scalar("select previous_digest from api_keys where id = :id", id=key.id) is None


def test_an_overlap_ends_with_the_key_itself(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    expires_at = now() + timedelta(hours=1)
    key = mint(world, person.id, expires_at=expires_at)
    answer = rotate(asgi, person, key, overlap_seconds=604_800).json()
    assert answer["previous_expires_at"] == answer["expires_at"]


def test_an_overlap_that_is_over_is_not_shown(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    key = mint(world, person.id, previous_digest=b"0" * 32, previous_expires_at=now() - timedelta(seconds=1))
    assert rename(asgi, person, key)["previous_expires_at"] is None


def test_all_else_about_the_key_stays(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    key = mint(world, person.id, networks=["203.0.113.0/24"], requests_per_minute=9)
    path = f"{KEYS}/{key.id}"
    before = asgi.get(path, headers=person.headers)
    rotated = rotate(asgi, person, key)
    after = asgi.get(path, headers=person.headers)
    changed = {name for name, value in after.json().items() if value != before.json()[name]}
    assert changed == {"rotated_at", "previous_expires_at"}
    assert rotated.json() == after.json() | {"key": rotated.json()["key"]}
    assert before.headers["etag"] != after.headers["etag"] == rotated.headers["etag"]


def test_an_expired_key_gets_no_new_secret(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    key = mint(world, person.id, expires_at=now() - timedelta(seconds=1))
    answer = rotate(asgi, person, key)
    assert (answer.status_code, answer.json()["code"]) == (409, "api_key_expired")


@pytest.mark.parametrize(
    "overlap",
    [-1, 604_801, 1.5, "60", True, None, [], 10**40],
    ids=["-1", "+1", "1.5", "s", "b", "n", "l", "huge"],
)
def test_an_overlap_is_a_number_of_seconds_up_to_a_week(
    asgi: httpx.Client, world: World, overlap: object
) -> None:
    person = world.person()
    key = mint(world, person.id)
    assert rotate(asgi, person, key, overlap_seconds=overlap).status_code == 422
    assert rotate(asgi, person, key, overlap_seconds=604_800).status_code == 200


def test_a_repeated_rotation_gives_the_same_secret(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    key = mint(world, person.id)
    headers = person.headers | {"Idempotency-Key": str(new_id())}
    first, second = (asgi.post(f"{KEYS}/{key.id}/rotate", headers=headers) for _ in range(2))
    assert (second.status_code, second.json()) == (200, first.json())
    assert second.headers["idempotency-replayed"] == "true"
    assert (use(asgi, key.key), use(asgi, first.json()["key"])) == (200, 200)


def test_is_recorded_without_the_key(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    key = mint(world, person.id)
    rotate(asgi, person, key, overlap_seconds=60)
    details = world.scalar(
        "select details from audit_log where subject_id = :id and action = 'api_key.rotated'", id=person.id
    )
    assert details == {"key_id": str(key.id), "overlap_seconds": 60}
