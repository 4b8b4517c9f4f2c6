"""A key may have a limit of its own."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.support.api_keys import mint
from tests.support.world import World


class TestOwnLimit:
    """A key may have a limit of its own."""

    def test_is_told_in_the_headers(self, api: httpx.Client, world: World, limits_on: None) -> None:
        key = mint(world, world.account().id, "files:read", requests_per_minute=3)
        answers = [api.get("/files", headers=key.headers) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["ratelimit"].split(";")[1] for answer in answers] == [
            "r=2",
            "r=1",
            "r=0",
            "r=0",
        ]
        assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"api-key";q=3;w=60'}
        assert 15 <= int(answers[-1].headers["retry-after"]) <= 20
        assert answers[-1].json()["code"] == "too_many_requests"

    def test_counts_for_no_other_key(self, api: httpx.Client, world: World, limits_on: None) -> None:
        user = world.account()
        keys = [mint(world, user.id, "files:read", requests_per_minute=1) for _ in range(2)]
        answers = [api.get("/files", headers=key.headers).status_code for key in keys * 2]
        assert answers == [200, 200, 429, 429]

    def test_that_is_narrowed_does_not_count_what_was_spent_before(
        self, api: httpx.Client, world: World, limits_on: None, later: Callable[[float], None]
    ) -> None:
        key = mint(world, world.account().id, "files:read", requests_per_minute=1000)
        assert [api.get("/files", headers=key.headers).status_code for _ in range(5)] == [200] * 5
        world.run("update api_keys set requests_per_minute = 1 where id = :id", id=key.id)
        later(10.1)
        assert [api.get("/files", headers=key.headers).status_code for _ in range(2)] == [200, 429]

    def test_of_many_at_once_lets_the_quota_through(
        self, api: httpx.Client, world: World, limits_on: None
    ) -> None:
        key = mint(world, world.account().id, "files:read", requests_per_minute=5)
        with ThreadPoolExecutor(20) as pool:
            answers = pool.map(lambda _: api.get("/files", headers=key.headers).status_code, range(20))
            assert Counter(answers) == {200: 5, 429: 15}
