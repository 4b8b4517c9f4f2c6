"""The containers behind the real gateway, as people would use them."""

from collections.abc import Callable
from typing import Any

import httpx

from tests.infra.docker.network.conftest import Mailbox
from tests.support.network import Network

PASSWORD = "correct horse battery staple"


def sign_up(client: httpx.Client, mailbox: Mailbox, email: str) -> dict[str, Any]:
    """Register, open the mailed link, sign in: the tokens."""
    asked = client.post("/v1/auth/register", json={"email": email, "password": PASSWORD, "name": "Ada"})
    assert asked.status_code == 202, asked.text
    verified = client.post("/v1/auth/verify-email", json={"token": mailbox.token(email)})
    assert verified.status_code == 200, verified.text
    answer = client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


def test_from_registration_over_the_mailed_link_to_a_profile(
    client: httpx.Client, mailbox: tuple[Mailbox, int]
) -> None:
    tokens = sign_up(client, mailbox[0], "ada@lambkin.example")
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    me = client.get("/v1/users/me", headers=bearer)
    assert me.json()["email"] == "ada@lambkin.example"
    again = client.get("/v1/users/me", headers=bearer | {"If-None-Match": me.headers["ETag"]})
    assert again.status_code == 304
    assert "Server" not in me.headers
    renewed = client.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert renewed.status_code == 200


def test_the_address_that_a_function_sees_is_the_person_s(
    network: Network, somebody_at: Callable[[str], httpx.Client], mailbox: tuple[Mailbox, int]
) -> None:
    person = somebody_at("127.0.0.21")
    person.headers["X-Forwarded-For"] = "198.51.100.7"
    bearer = {"Authorization": f"Bearer {sign_up(person, mailbox[0], 'eve@lambkin.example')['access_token']}"}
    (session,) = person.get("/v1/auth/sessions", headers=bearer).json()["items"]
    assert "127.0.0.21" in str(session)
    assert "198.51.100.7" not in str(session)


def test_two_people_behind_the_gateway_are_limited_apart(somebody_at: Callable[[str], httpx.Client]) -> None:
    def tries(person: httpx.Client, number: int) -> list[int]:
        body = {"token": "x" * 43}
        return [
            # A new address in front each time does not make a new person.
            person.post(
                "/v1/auth/verify-email", json=body, headers={"X-Forwarded-For": f"203.0.113.{each}"}
            ).status_code
            for each in range(number)
        ]

    one, other = somebody_at("127.0.0.31"), somebody_at("127.0.0.32")
    assert 429 in tries(one, 62)
    assert 429 not in tries(other, 3)
    assert tries(one, 1) == [429]


def test_what_the_standard_looks_for_is_found(client: httpx.Client) -> None:
    answer = client.get("/.well-known/oauth-authorization-server/v1/auth")
    assert answer.json()["issuer"].endswith("/v1/auth")


def test_health_finds_every_function_through_the_gateway(client: httpx.Client) -> None:
    report = client.get("/v1/health/ready").json()
    assert {each["name"]: each["state"] for each in report["functions"]} == {
        "auth": "ok",
        "users": "ok",
        "files": "ok",
        "worker": "ok",
        "ai": "ok",
    }
    shared = {each["name"]: each["state"] for each in report["probes"]}
    assert {name for name, state in shared.items() if state == "ok"} == {
        "database",
        "bucket",
        "mail",
        "queue",
        "ollama",
    }


def test_every_request_has_an_id_and_a_good_one_is_kept(client: httpx.Client) -> None:
    mine = "my-own-request-id"
    assert client.get("/v1/health/live", headers={"X-Request-ID": mine}).headers["X-Request-ID"] == mine
    for bad in ("short", 'evil"id-with-a-quote', "x" * 200):
        for path in ("/v1/health/live", "/nowhere"):
            given = client.get(path, headers={"X-Request-ID": bad}).headers["X-Request-ID"]
            assert given != bad
            assert len(given) >= 32


def test_figures_are_for_neighbours_only(client: httpx.Client, network: Network) -> None:
    own = httpx.get(f"http://127.0.0.1:{network.port('auth')}/v1/auth/metrics")
    assert own.status_code == 200
    for path in (
        "/v1/auth/metrics",
        "/v1//auth/metrics",
        "/v1/auth/%6Detrics",
        "/v1/auth%2Fmetrics",
        "/V1/auth/metrics",
    ):
        answer = client.get(path)
        assert answer.status_code == 404, path
        assert "lambkin_requests_total" not in answer.text
