"""A key ends when it was said to, and when its owner ends it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from common import api_keys
from common.api_keys import key_digest, new_key
from common.models.base import now
from tests.common.api_keys.app import Statements
from tests.support.api_keys import Key, OtherProcess, mint
from tests.support.world import World


class TestEnds:
    """A key ends when it was said to, and when its owner ends it."""

    def test_an_expired_key_does_nothing(self, api: httpx.Client, world: World) -> None:
        gone = mint(world, world.account().id, "files:read", expires_at=now() - timedelta(seconds=1))
        assert api.get("/files", headers=gone.headers).json()["code"] == "invalid_token"

    @pytest.mark.parametrize(("seconds", "status"), [(4, 200), (6, 401)])
    def test_no_key_is_remembered_beyond_its_expiry(
        self, api: httpx.Client, world: World, later: Callable[[float], None], seconds: float, status: int
    ) -> None:
        key = mint(world, world.account().id, "files:read", expires_at=now() + timedelta(seconds=5.5))
        assert api.get("/files", headers=key.headers).status_code == 200
        # Only the memory can still take it for good.
        world.run("update api_keys set expires_at = now() where id = :id", id=key.id)
        later(seconds)
        assert api.get("/files", headers=key.headers).status_code == status

    @pytest.mark.parametrize(("seconds", "status"), [(4, 200), (6, 401)])
    def test_no_rotated_secret_is_remembered_beyond_its_overlap(
        self, api: httpx.Client, world: World, later: Callable[[float], None], seconds: float, status: int
    ) -> None:
        key = mint(world, world.account().id, "files:read")
        successor = Key(key.id, new_key(key.id))
        world.run(
            "update api_keys set digest = :digest, previous_digest = digest, previous_expires_at = :until "
            "where id = :id",
            digest=key_digest(successor.key),
            until=now() + timedelta(seconds=5.5),
            id=key.id,
        )
        for each in (key, successor):
            assert api.get("/files", headers=each.headers).status_code == 200
        world.run("update api_keys set previous_expires_at = now() where id = :id", id=key.id)
        later(seconds)
        assert api.get("/files", headers=key.headers).status_code == status
        assert api.get("/files", headers=successor.headers).status_code == 200

    def test_both_secrets_of_a_rotated_key_are_remembered(
        self, api: httpx.Client, world: World, statements: Statements
    ) -> None:
        key = mint(world, world.account().id, "files:read")
        successor = Key(key.id, new_key(key.id))
        world.run(
            "update api_keys set digest = :digest, previous_digest = digest, "
            "previous_expires_at = now() + interval '1 day' where id = :id",
            digest=key_digest(successor.key),
            id=key.id,
        )
        counts = []
        for each in (key, successor, key, successor):
            assert api.get("/files", headers=each.headers).status_code == 200
            counts.append(statements())
        assert counts == [2, 0, 0, 0]

    @pytest.mark.parametrize(
        "end",
        [
            "delete from api_keys where id = :key",
            "update api_keys set expires_at = now() where id = :key",
            "update users set state = 'disabled' where id = :user",
            "delete from users where id = :user",
        ],
    )
    def test_another_process_sees_the_end_within_ten_seconds(
        self, world: World, other: OtherProcess, end: str
    ) -> None:
        user = world.account()
        key = mint(world, user.id, "files:read")
        assert other.use(key.key) == ("accepted", 2)
        world.run(end, **{"key": key.id} if ":key" in end else {"user": user.id})
        assert other.use(key.key) == ("accepted", 0)
        other.wait(10.1)
        assert other.use(key.key) == ("refused", 1)

    def test_a_key_that_is_found_to_be_gone_is_forgotten(self, api: httpx.Client, world: World) -> None:
        key = mint(world, world.account(roles=["admin"]).id, "files:read", "users:read")
        assert api.get("/files", headers=key.headers).status_code == 200
        world.run("delete from api_keys where id = :id", id=key.id)
        assert api.get("/live", headers=key.headers).status_code == 401
        assert api.get("/files", headers=key.headers).status_code == 401

    def test_what_was_read_before_a_change_in_this_process_is_not_remembered(
        self, api: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key = mint(world, world.account().id, "files:read")
        find = api_keys._find

        def find_then_change(connection: Any, key_id: Any) -> Any:
            row = find(connection, key_id)
            world.run("delete from api_keys where id = :id", id=key.id)
            api_keys.forget_api_key(key.id)
            return row

        monkeypatch.setattr(api_keys, "_find", find_then_change)
        assert api.get("/files", headers=key.headers).status_code == 200
        monkeypatch.undo()
        assert api.get("/files", headers=key.headers).status_code == 401

    def test_the_memory_is_bounded(
        self, api: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(api_keys, "_REMEMBERED", 2)
        api_keys.forget_api_keys()
        user = world.account()
        for _ in range(5):
            assert api.get("/files", headers=mint(world, user.id, "files:read").headers).status_code == 200
            assert len(api_keys._memory._known) <= 2
