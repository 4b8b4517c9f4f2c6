import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from common.access import forget_tokens
from tests.support.world import World


def test_a_profile_has_an_etag_and_an_unchanged_one_is_304(asgi: httpx.Client, world: World) -> None:
    headers = world.person().headers
    etag = asgi.get("/v1/users/me", headers=headers).headers["etag"]
    again = asgi.get("/v1/users/me", headers=headers | {"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == etag


def test_a_change_names_the_version_that_was_read(asgi: httpx.Client, world: World) -> None:
    headers = world.person().headers
    stale = asgi.get("/v1/users/me", headers=headers).headers["etag"]
    changed = asgi.patch("/v1/users/me", json={"name": "Ada L."}, headers=headers | {"If-Match": stale})
    assert (changed.status_code, changed.json()["name"]) == (200, "Ada L.")
    assert changed.headers["etag"] != stale
    lost = asgi.patch("/v1/users/me", json={"name": "Lost"}, headers=headers | {"If-Match": stale})
    assert (lost.status_code, lost.json()["code"]) == (412, "precondition_failed")
    blind = asgi.patch("/v1/users/me", json={"name": "Any"}, headers=headers | {"If-Match": "*"})
    assert blind.status_code == 200


def test_of_changes_to_one_version_at_the_same_moment_one_is_made(asgi: httpx.Client, world: World) -> None:
    headers = world.person().headers | {"If-Match": '"1"'}
    with ThreadPoolExecutor(8) as pool:
        calls = [
            pool.submit(asgi.patch, "/v1/users/me", json={"name": f"Ada {n}"}, headers=headers)
            for n in range(8)
        ]
        assert Counter(call.result().status_code for call in calls) == {200: 1, 412: 7}


def test_a_change_of_nothing_changes_nothing(asgi: httpx.Client, world: World) -> None:
    headers = world.person().headers | {"If-Match": '"1"'}
    assert asgi.patch("/v1/users/me", json={}, headers=headers).headers["etag"] == '"1"'


def test_what_it_is_already_changes_nothing_either(asgi: httpx.Client, world: World) -> None:
    person = world.person(name="Ada")
    headers = person.headers | {"If-Match": "*"}
    assert asgi.patch("/v1/users/me", json={"name": "Ada"}, headers=headers).headers["etag"] == '"1"'
    assert ("account.changed", "success") not in world.audit(person.id)


@pytest.mark.parametrize("state", ["disabled", "deleting", "deleted"])
def test_a_token_that_outlives_its_account_changes_nothing_of_it(
    asgi: httpx.Client, world: World, state: str
) -> None:
    person = world.person(name="Ada")
    world.run("update users set state = :state where id = :id", state=state, id=person.id)
    headers = person.headers | {"If-Match": "*"}
    refused = asgi.patch("/v1/users/me", json={"name": "Eve"}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
    assert world.scalar("select name from users where id = :id", id=person.id) == "Ada"


@pytest.mark.parametrize(
    "body",
    [
        {"role": "admin"},
        {"email": "a@b.example"},
        {"name": "x" * 201},
        {"locale": "no/tag"},
        [],
        "x",
        1,
        None,
    ],
)
def test_what_may_not_be_changed_is_refused(asgi: httpx.Client, world: World, body: object) -> None:
    headers = world.person().headers | {"If-Match": "*"}
    assert asgi.patch("/v1/users/me", json=body, headers=headers).status_code == 422


def test_reading_a_profile_takes_one_statement(
    asgi: httpx.Client, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    headers = world.person().headers
    # The keys are read now, and are young enough for what is counted.
    forget_tokens()
    asgi.get("/v1/users/me", headers=headers)
    capsys.readouterr()
    asgi.get("/v1/users/me", headers=headers)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["statements"] == 1


def test_100_parallel_requests_on_a_pool_of_5_all_succeed(over_http: httpx.Client, world: World) -> None:
    headers = world.person().headers

    async def all_at_once() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=over_http.base_url, limits=limits, timeout=10) as client:
            return await asyncio.gather(*(client.get("/v1/users/me", headers=headers) for _ in range(100)))

    with ThreadPoolExecutor(1) as pool:
        answers = pool.submit(asyncio.run, all_at_once()).result()
    assert Counter(answer.status_code for answer in answers) == {200: 100}
