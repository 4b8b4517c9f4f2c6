"""A key costs what was promised."""

from collections.abc import Callable

import httpx
import pytest

from common.api_keys import new_key
from common.ids import new_id
from tests.common.api_keys.app import Statements
from tests.support.api_keys import mint
from tests.support.world import World


class TestCost:
    """Statements a request takes for its key."""

    def test_of_the_first_use_is_a_select_and_a_note(
        self, api: httpx.Client, world: World, statements: Statements
    ) -> None:
        key = mint(world, world.account().id, "files:read")
        api.get("/files", headers=key.headers)
        assert statements() == 2

    def test_of_a_remembered_key_is_nothing(
        self, api: httpx.Client, world: World, statements: Statements, later: Callable[[float], None]
    ) -> None:
        key = mint(world, world.account().id, "files:read")
        api.get("/files", headers=key.headers)
        later(9)
        assert api.get("/files", headers=key.headers).status_code == 200
        assert statements() == 0

    def test_within_a_minute_of_a_noted_use_is_a_select(
        self, api: httpx.Client, world: World, statements: Statements, later: Callable[[float], None]
    ) -> None:
        key = mint(world, world.account().id, "files:read")
        api.get("/files", headers=key.headers)
        later(10.1)
        api.get("/files", headers=key.headers)
        assert statements() == 1

    def test_of_an_own_limit_is_one_more(
        self, api: httpx.Client, world: World, statements: Statements, limits_on: None
    ) -> None:
        key = mint(world, world.account().id, "files:read", requests_per_minute=10)
        api.get("/files", headers=key.headers)
        assert statements() == 3
        api.get("/files", headers=key.headers)
        assert statements() == 1

    def test_of_an_unknown_id_is_that_of_a_wrong_secret(
        self, api: httpx.Client, world: World, statements: Statements
    ) -> None:
        key = mint(world, world.account().id, "files:read")
        for wrong in (new_key(new_id()), new_key(key.id)):
            answer = api.get("/files", headers={"Authorization": f"Bearer {wrong}"})
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
            assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
            assert statements() == 1

    @pytest.mark.parametrize(
        "credential",
        [
            b"lk_",
            b"lk_\xb2\xb3\xb9",
            b"lk_" + b"0" * 72,
            b"lk_" + b"\xa0" * 72,
            b"lk_" + b"0" * 22 + b"_" + b"0" * 49,
            b"lk_" + b"0" * 1_000_000,
            b"lk_\x00",
            b"lk_ lk_",
            "lk_٣٣٣".encode(),
        ],
    )
    def test_of_what_is_no_key_is_nothing(
        self, api: httpx.Client, statements: Statements, credential: bytes
    ) -> None:
        answer = api.get("/files", headers={b"authorization": b"Bearer " + credential})
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
        assert statements() == 0
