"""What an API key may be given, and what not."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from common.ids import new_id
from common.models.base import now
from tests.support.api_keys import KEYS, codes, create, use
from tests.support.world import World


class TestScopes:
    """No wider than what the owner may do now."""

    def test_that_the_owner_lacks_are_named(self, asgi: httpx.Client, world: World) -> None:
        answer = create(asgi, world.person(), scopes=["users:write", "profile:read", "audit:read"])
        assert (answer.status_code, answer.json()["code"]) == (403, "scopes_too_wide")
        assert answer.json()["scopes"] == ["audit:read", "users:write"]
        assert "audit:read, users:write" in answer.json()["detail"]

    def test_of_a_role_that_was_just_lost_are_refused(self, asgi: httpx.Client, world: World) -> None:
        person = world.person(roles=["admin"])
        assert create(asgi, person, scopes=["users:read"]).status_code == 201
        world.run("update users set roles = '{member}' where id = :id", id=person.id)
        assert create(asgi, person, scopes=["users:read"]).json()["code"] == "scopes_too_wide"

    def test_of_an_own_made_role_are_accepted(self, asgi: httpx.Client, world: World) -> None:
        role = new_id().hex[-12:]
        world.run("insert into roles (name, permissions) values (:role, '{audit:read}')", role=role)
        person = world.person(roles=[role])
        assert create(asgi, person, scopes=["audit:read"]).status_code == 201
        assert create(asgi, person, scopes=["profile:read"]).json()["scopes"] == ["profile:read"]

    def test_that_there_are_not_are_pointed_at(self, asgi: httpx.Client, world: World) -> None:
        answer = create(asgi, world.person(), scopes=["profile:read", "profile:fly"])
        assert codes(answer) == {("#/scopes/1", "unknown_permission")}

    @pytest.mark.parametrize(
        "scopes", [[], "profile:read", None, ["profile:read"] * 65, [1], [None], ["\x00"]]
    )
    def test_are_a_list_of_at_least_one(self, asgi: httpx.Client, world: World, scopes: object) -> None:
        assert create(asgi, world.person(), scopes=scopes).status_code == 422


class TestNetworks:
    """Normalised, and never wider than was meant."""

    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("192.0.2.7", "192.0.2.7/32"),
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:DB8:0:0::/48", "2001:db8::/48"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("::/0", "::/0"),
        ],
    )
    def test_are_kept_in_their_shortest_form(
        self, asgi: httpx.Client, world: World, given: str, kept: str
    ) -> None:
        assert create(asgi, world.person(), networks=[given]).json()["networks"] == [kept]

    @pytest.mark.parametrize("given", ["192.0.2.7/24", "2001:db8::1/32", "::ffff:192.0.2.7/120"])
    def test_with_bits_beyond_the_prefix_are_refused(
        self, asgi: httpx.Client, world: World, given: str
    ) -> None:
        answer = create(asgi, world.person(), networks=["192.0.2.0/24", given])
        assert codes(answer) == {("#/networks/1", "value_error")}
        assert "bits beyond its prefix: write " in answer.json()["errors"][0]["detail"]

    @pytest.mark.parametrize(
        "given",
        [
            "",
            "/",
            "/24",
            "192.0.2.0/",
            "192.0.2.0/33",
            "192.0.2.0/-1",
            "192.0.2.0/+8",
            "192.0.2.0/٢٤",
            "192.0.2.0/24/24",
            "192.0.2.0/255.255.255.0",
            "192.0.2.0/0.0.0.255",
            "192.0.2",
            "192.0.02.1",
            "１９２.0.2.1",
            "192.0.2.0 /24",
            "192.0.2.0/24\n",
            "192.0.2.0/24\x00",
            "3221225985",
            "fe80::1%eth0",
            "fe80::%1/64",
            "2001:db8::/129",
            "lambkin.example",
        ],
    )
    def test_that_are_none_are_refused(self, asgi: httpx.Client, world: World, given: str) -> None:
        answer = create(asgi, world.person(), networks=[given])
        assert codes(answer) == {("#/networks/0", "value_error")}

    def test_are_at_most_fifty(self, asgi: httpx.Client, world: World) -> None:
        fifty = [f"192.0.2.{number}" for number in range(50)]
        assert len(create(asgi, world.person(), networks=fifty).json()["networks"]) == 50
        for too_many in ([*fifty, "192.0.2.50"], fifty[:1] * 51):
            assert codes(create(asgi, world.person(), networks=too_many)) == {("#/networks", "too_long")}
        long = "0" * 50_000
        assert codes(create(asgi, world.person(), networks=[long])) == {("#/networks/0", "string_too_long")}

    def test_bound_a_key_in_another_function(self, asgi: httpx.Client, world: World) -> None:
        person = world.person()
        near = create(asgi, person, networks=["203.0.113.0/24"]).json()["key"]
        far = create(asgi, person, networks=["198.51.100.0/24"]).json()["key"]
        assert (use(asgi, near), use(asgi, far)) == (200, 403)


class TestExpiry:
    """In the future, and within 5 years."""

    @pytest.mark.parametrize(
        "given",
        [
            "2020-01-01T00:00:00Z",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00",
            "2020-01-01T00:00:00.5-03:00",
        ],
    )
    def test_elsewhere_is_refused(self, asgi: httpx.Client, world: World, given: str) -> None:
        answer = create(asgi, world.person(), expires_at=given)
        assert codes(answer) == {("#/expires_at", "value_error")}

    @pytest.mark.parametrize(("days", "status"), [(1, 201), (1826, 201), (1828, 422)])
    def test_is_at_most_five_years_away(
        self, asgi: httpx.Client, world: World, days: int, status: int
    ) -> None:
        given = (now() + timedelta(days=days)).isoformat()
        assert create(asgi, world.person(), expires_at=given).status_code == status

    @pytest.mark.parametrize(
        "given",
        [
            1_900_000_000,
            1.9e9,
            "1900000000",
            "2027-06-01",
            "2027-06-01T00:00:00",
            "2027-06-01 00:00:00Z",
            "2027-13-01T00:00:00Z",
            "2027-06-01T25:00:00Z",
            "2027-06-01T00:00:00+99:00",
            "２０２７-06-01T00:00:00Z",
            "",
            True,
            [],
        ],
    )
    def test_is_a_time_with_its_zone(self, asgi: httpx.Client, world: World, given: object) -> None:
        answer = create(asgi, world.person(), expires_at=given)
        assert {pointer for pointer, _ in codes(answer)} == {"#/expires_at"}

    def test_is_never_where_none_is_given(self, asgi: httpx.Client, world: World) -> None:
        assert create(asgi, world.person()).json()["expires_at"] is None


@pytest.mark.parametrize(("given", "kept"), [(1, 1), (5.0, 5), (1e5, 100_000)])
def test_a_limit_is_an_integer_as_json_has_it(
    asgi: httpx.Client, world: World, given: object, kept: int
) -> None:
    assert create(asgi, world.person(), requests_per_minute=given).json()["requests_per_minute"] == kept


@pytest.mark.parametrize("member", ["name", "scopes", "networks", "expires_at"])
def test_half_of_a_surrogate_pair_is_refused(asgi: httpx.Client, world: World, member: str) -> None:
    half: object = ["\ud800"] if member in ("scopes", "networks") else "\ud800"
    # Written by us, as httpx would refuse to.
    body = json.dumps({"name": "Backup", "scopes": ["profile:read"]} | {member: half})
    headers = world.person().headers | {"Content-Type": "application/json"}
    assert asgi.post(KEYS, content=body, headers=headers).status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": " \u3000"},
        {"name": "x" * 201},
        {"name": "two\nlines"},
        {"name": "\x00"},
        {"name": None},
        {"requests_per_minute": 0},
        {"requests_per_minute": 100_001},
        {"requests_per_minute": 1.5},
        {"requests_per_minute": True},
        {"requests_per_minute": "5"},
        {"requests_per_minute": 10**30},
        {"networks": None},
        {"networks": "192.0.2.0/24"},
        {"key": "lk_mine"},
        {"user_id": "01890a5d-ac96-774b-bcce-b302099a8057"},
        {"digest": "00"},
    ],
)
def test_what_no_key_can_be_is_refused(asgi: httpx.Client, world: World, body: dict[str, Any]) -> None:
    assert create(asgi, world.person(), **body).status_code == 422
