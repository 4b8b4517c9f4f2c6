"""What happens to keys at the same moment."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx

from common.ids import new_id
from tests.support.api_keys import KEYS, mint, use
from tests.support.world import World

WANTED = {"name": "Backup", "scopes": ["profile:read"]}


def at_once(call: Callable[[], httpx.Response], number: int = 20) -> list[httpx.Response]:
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(lambda _: call(), range(number)))


def test_of_twenty_at_ninety_nine_keys_one_is_made(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    world.run(
        "insert into api_keys (id, user_id, name, digest, scopes) "
        "select gen_random_uuid(), :id, 'x', '', '{}' from generate_series(1, 99)",
        id=person.id,
    )
    answers = at_once(lambda: asgi.post(KEYS, json=WANTED, headers=person.headers))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"too_many_api_keys"}
    assert world.scalar("select count(*) from api_keys where user_id = :id", id=person.id) == 100


def test_a_hundred_keys_of_one_account_leave_room_for_another(asgi: httpx.Client, world: World) -> None:
    full, other = world.person(), world.person()
    world.run(
        "insert into api_keys (id, user_id, name, digest, scopes) "
        "select gen_random_uuid(), :id, 'x', '', '{}' from generate_series(1, 100)",
        id=full.id,
    )
    assert asgi.post(KEYS, json=WANTED, headers=full.headers).status_code == 409
    assert asgi.post(KEYS, json=WANTED, headers=other.headers).status_code == 201


def test_twenty_creations_with_one_idempotency_key_make_one(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    headers = person.headers | {"Idempotency-Key": str(new_id())}
    answers = at_once(lambda: asgi.post(KEYS, json=WANTED, headers=headers))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["key"] for answer in answers if answer.status_code == 201}) == 1
    assert world.scalar("select count(*) from api_keys where user_id = :id", id=person.id) == 1


def test_of_twenty_rotations_the_last_two_secrets_work(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    key = mint(world, person.id)
    answers = at_once(lambda: asgi.post(f"{KEYS}/{key.id}/rotate", headers=person.headers))
    assert {answer.status_code for answer in answers} == {200}
    secrets = [answer.json()["key"] for answer in answers]
    assert len(set(secrets)) == 20
    assert Counter(use(asgi, secret) for secret in [key.key, *secrets]) == {200: 2, 401: 19}
    newest = max(answers, key=lambda answer: int(answer.headers["etag"].strip('"')))
    assert use(asgi, newest.json()["key"]) == 200


def test_of_twenty_changes_to_one_version_one_is_made(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    path = f"{KEYS}/{mint(world, person.id).id}"
    headers = person.headers | {"If-Match": '"1"'}
    answers = at_once(lambda: asgi.patch(path, json={"name": "Other"}, headers=headers))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 19}


def test_of_twenty_revocations_one_finds_the_key(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    path = f"{KEYS}/{mint(world, person.id).id}"
    answers = at_once(lambda: asgi.delete(path, headers=person.headers))
    assert Counter(answer.status_code for answer in answers) == {204: 1, 404: 19}
    assert world.audit(person.id).count(("api_key.deleted", "success")) == 1


def test_a_key_that_is_revoked_while_it_is_used_ends_for_all_who_come_after(
    asgi: httpx.Client, world: World
) -> None:
    person = world.person()
    for _ in range(5):
        key = mint(world, person.id)
        ended = Event()

        def use_until_ended(secret: str = key.key, ended: Event = ended) -> set[int]:
            seen = set()
            while not ended.is_set():
                seen.add(use(asgi, secret))
            return seen

        with ThreadPoolExecutor(4) as pool:
            users = [pool.submit(use_until_ended) for _ in range(4)]
            try:
                answer = asgi.delete(f"{KEYS}/{key.id}", headers=person.headers)
                assert answer.status_code == 204
                assert [use(asgi, key.key) for _ in range(5)] == [401] * 5
            finally:
                ended.set()
            assert set().union(*(each.result() for each in users)) <= {200, 401}


def test_a_rotation_while_the_key_is_used_interrupts_nobody(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    key = mint(world, person.id)
    ended = Event()

    def use_until_ended() -> Counter[int]:
        seen: Counter[int] = Counter()
        while not ended.is_set():
            seen[use(asgi, key.key)] += 1
        return seen

    with ThreadPoolExecutor(4) as pool:
        users = [pool.submit(use_until_ended) for _ in range(4)]
        try:
            rotated = asgi.post(f"{KEYS}/{key.id}/rotate", headers=person.headers).json()
            assert [use(asgi, rotated["key"]) for _ in range(5)] == [200] * 5
        finally:
            ended.set()
        assert set().union(*(each.result() for each in users)) <= {200}
