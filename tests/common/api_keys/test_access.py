"""Every function takes a key, for what its scopes and its owner both permit."""

import re
from collections.abc import Callable

import httpx
import pytest

from common import api_keys
from common.api_keys import PATTERN, new_key
from common.ids import new_id
from tests.common.api_keys.app import SERVING, Statements, client_of
from tests.support.api_keys import mint
from tests.support.world import World


@pytest.mark.parametrize("function", SERVING)
def test_every_function_takes_a_key_with_its_own_database_role(function: str, world: World) -> None:
    user = world.account(roles=["admin"])
    key = mint(world, user.id, "files:read", "users:read", requests_per_minute=5)
    with client_of(function) as client:
        answer = client.get("/files", headers=key.headers)
        assert (answer.status_code, answer.json()["user_id"]) == (200, str(user.id))
        assert client.get("/live", headers=key.headers).status_code == 200
    assert world.scalar(
        "select last_used_at > now() - interval '10 s' from api_keys where id = :id", id=key.id
    )


@pytest.mark.parametrize("function", SERVING)
def test_every_function_counts_a_keys_own_limit(function: str, world: World, limits_on: None) -> None:
    key = mint(world, world.account().id, "files:read", requests_per_minute=2)
    with client_of(function) as client:
        assert [client.get("/files", headers=key.headers).status_code for _ in range(3)] == [200, 200, 429]


class TestPermissions:
    """What a key may do."""

    def test_are_those_of_its_scopes_that_its_owner_has(self, api: httpx.Client, world: World) -> None:
        key = mint(world, world.account().id, "files:read", "users:read", "no:longer")
        assert api.get("/files", headers=key.headers).json()["permissions"] == ["files:read"]

    def test_of_an_own_made_role_count(self, api: httpx.Client, world: World) -> None:
        role = new_id().hex[-12:]
        world.run("insert into roles (name, permissions) values (:role, '{users:read,no:longer}')", role=role)
        key = mint(world, world.account(roles=[role]).id, "users:read", "files:read")
        assert api.get("/live", headers=key.headers).json()["permissions"] == ["users:read"]

    def test_a_scope_that_is_missing_is_told(self, api: httpx.Client, world: World) -> None:
        answer = api.get("/files", headers=mint(world, world.account().id, "profile:read").headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
        assert 'scope="files:read"' in answer.headers["www-authenticate"]

    def test_a_role_that_was_lost_counts_at_once_where_that_is_demanded(
        self, api: httpx.Client, world: World
    ) -> None:
        user = world.account(roles=["admin"])
        key = mint(world, user.id, "users:read")
        assert api.get("/live", headers=key.headers).status_code == 200
        world.run("update users set roles = '{member}' where id = :id", id=user.id)
        assert api.get("/live", headers=key.headers).status_code == 403

    def test_a_role_that_was_lost_counts_elsewhere_when_the_memory_ends(
        self, api: httpx.Client, world: World, later: Callable[[float], None]
    ) -> None:
        user = world.account()
        key = mint(world, user.id, "files:read")
        assert api.get("/files", headers=key.headers).status_code == 200
        world.run("update users set roles = '{}' where id = :id", id=user.id)
        later(10.1)
        assert api.get("/files", headers=key.headers).status_code == 403


@pytest.mark.parametrize("path", ["/session", "/live-session", "/recent-session", "/recent"])
def test_where_a_session_is_needed_no_key_will_do_and_none_is_looked_up(
    api: httpx.Client, world: World, path: str, statements: Statements
) -> None:
    key = mint(world, world.account(roles=["admin"]).id, "users:read")
    answer = api.get(path, headers=key.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "session_required")
    assert statements() == 0
    unknown = api.get(path, headers={"Authorization": f"Bearer {new_key(new_id())}"})
    assert unknown.json()["code"] == "session_required"
    broken = api.get(path, headers={"Authorization": f"Bearer {key.key[:-1]}"})
    assert (broken.status_code, broken.json()["code"]) == (401, "invalid_token")


@pytest.mark.parametrize("around", [b"\xa0", b"\x85", b"\t", b"\x1c", b"\x00"])
def test_a_key_with_anything_around_it_is_no_key(api: httpx.Client, world: World, around: bytes) -> None:
    key = mint(world, world.account().id, "files:read").key.encode()
    for credential in (key + around, around + key):
        assert api.get("/files", headers={b"authorization": b"Bearer " + credential}).status_code == 401


def test_two_keys_in_one_request_are_none(api: httpx.Client, world: World) -> None:
    key = mint(world, world.account().id, "files:read")
    twice = [("Authorization", f"Bearer {key.key}")] * 2
    assert api.get("/files", headers=twice).json()["code"] == "unauthenticated"


@pytest.mark.parametrize("state", ["invited", "disabled", "deleting", "deleted"])
def test_a_key_of_an_account_that_is_not_active_does_nothing(
    api: httpx.Client, world: World, state: str
) -> None:
    user = world.account()
    key = mint(world, user.id, "files:read")
    world.run("update users set state = :state where id = :id", state=state, id=user.id)
    assert api.get("/files", headers=key.headers).json()["code"] == "invalid_token"
    assert world.scalar("select last_used_at from api_keys where id = :id", id=key.id) is None


def test_no_log_line_holds_a_key(
    api: httpx.Client, world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = mint(world, world.account().id, "files:read")

    def fail(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    capsys.readouterr()
    api.get("/files", headers=key.headers)
    api.get("/live", headers=key.headers)
    api_keys.forget_api_keys()
    monkeypatch.setattr(api_keys, "_from_row", fail)
    assert api.get("/files", headers=key.headers).status_code == 500
    logged = capsys.readouterr()
    assert "a fault of ours" in logged.out
    assert re.findall(PATTERN, logged.out + logged.err) == []
