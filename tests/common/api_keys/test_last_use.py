"""A use is noted at most once a minute."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from sqlalchemy import text

from common.api_keys import new_key
from tests.common.api_keys.app import client_of
from tests.support.api_keys import Key, OtherProcess, mint
from tests.support.world import World


def last_use(world: World, key: Key) -> Any:
    return world.scalar("select last_used_at from api_keys where id = :id", id=key.id)


class TestLastUse:
    """`last_used_at` is written at most once a minute."""

    def test_of_twenty_first_uses_at_once_one_is_noted(
        self, api: httpx.Client, world: World, writes: Callable[[Key], int]
    ) -> None:
        key = mint(world, world.account().id, "files:read")
        with ThreadPoolExecutor(20) as pool:
            answers = pool.map(lambda _: api.get("/files", headers=key.headers).status_code, range(20))
            assert Counter(answers) == {200: 20}
        assert writes(key) == 1

    def test_of_several_processes_one_notes_it(
        self, api: httpx.Client, world: World, writes: Callable[[Key], int], other: OtherProcess
    ) -> None:
        key = mint(world, world.account().id, "files:read")
        with ThreadPoolExecutor(2) as pool:
            here = pool.submit(api.get, "/files", headers=key.headers)
            there = pool.submit(other.use, key.key)
            assert (here.result().status_code, there.result()[0]) == (200, "accepted")
        other.wait(10.1)
        assert other.use(key.key) == ("accepted", 1)
        assert writes(key) == 1

    def test_is_noted_again_after_a_minute_and_not_before(
        self, api: httpx.Client, world: World, later: Callable[[float], None]
    ) -> None:
        key = mint(world, world.account().id, "files:read")
        api.get("/files", headers=key.headers)
        first = last_use(world, key)
        later(11)
        api.get("/files", headers=key.headers)
        assert last_use(world, key) == first
        world.run("update api_keys set last_used_at = now() - interval '61 s' where id = :id", id=key.id)
        later(22)
        api.get("/files", headers=key.headers)
        assert last_use(world, key) > first

    def test_does_not_wait_for_who_changes_the_key(self, api: httpx.Client, world: World) -> None:
        key = mint(world, world.account().id, "files:read")
        with world.engine.begin() as connection:
            connection.execute(text("select 1 from api_keys where id = :id for update"), {"id": key.id})
            assert api.get("/files", headers=key.headers).status_code == 200
        assert last_use(world, key) is None

    def test_is_no_attempt_that_was_refused(self, api: httpx.Client, world: World, limits_on: None) -> None:
        elsewhere = mint(world, world.account().id, "files:read", networks=["192.0.2.0/24"])
        assert api.get("/files", headers=elsewhere.headers).status_code == 403
        assert last_use(world, elsewhere) is None
        key = mint(world, world.account().id, "files:read")
        wrong = {"Authorization": f"Bearer {new_key(key.id)}"}
        assert api.get("/files", headers=wrong).status_code == 401
        assert last_use(world, key) is None
        # Refused attempts keep the memory warm, and must not hide the use that follows.
        assert api.get("/files", headers=key.headers).status_code == 200
        assert last_use(world, key) is not None

    def test_is_not_hidden_by_attempts_from_elsewhere(self, api: httpx.Client, world: World) -> None:
        key = mint(world, world.account().id, "files:read", networks=["203.0.113.7"])
        with client_of(peer="198.51.100.1") as elsewhere:
            assert elsewhere.get("/files", headers=key.headers).status_code == 403
        assert last_use(world, key) is None
        assert api.get("/files", headers=key.headers).status_code == 200
        assert last_use(world, key) is not None
