"""Limits hold across processes, tell what is left, and cost nothing to enforce on who is over them."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from common import rate_limits
from common.app import create_app
from common.rate_limits import Limit, limited
from common.routing import Router
from common.settings import get_settings
from tests.support.fixtures import SettingsChange
from tests.support.transports import AsgiTransport
from tests.support.world import World

THREE = Limit("three", quota=3, seconds=3600)
router = Router(prefix="/v1/users", tags=["users"])


@router.get("/limited", dependencies=[limited(THREE)])
async def limited_operation() -> dict[str, str]:
    return {"state": "ok"}


@pytest.fixture
def api(limits_on: None) -> Iterator[httpx.Client]:
    yield from _client("198.51.100.1")


def _client(peer: str) -> Iterator[httpx.Client]:
    app = create_app("users", summary="Tests.", router=router)
    with httpx.Client(transport=AsgiTransport(app, peer=peer), base_url="http://backend:8000") as client:
        yield client


def test_over_the_limit_is_429_with_the_headers(api: httpx.Client) -> None:
    answers = [api.get("/v1/users/limited") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit"].split(";")[1] for answer in answers] == ["r=2", "r=1", "r=0", "r=0"]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"three";q=3;w=3600'}
    assert 1100 < int(answers[-1].headers["retry-after"]) <= 1200
    assert answers[-1].headers["content-type"] == "application/problem+json"


def test_of_many_at_once_exactly_the_quota_gets_through(api: httpx.Client) -> None:
    with ThreadPoolExecutor(20) as pool:
        codes = pool.map(lambda _: api.get("/v1/users/limited").status_code, range(20))
    assert Counter(codes) == {200: 3, 429: 17}


def test_another_process_counts_on(api: httpx.Client, world: World) -> None:
    for _ in range(4):
        api.get("/v1/users/limited")
    program = """
from tests.common.test_rate_limits import _client
print([client.get("/v1/users/limited").status_code for client in _client("198.51.100.1")])
"""
    arguments = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[429]"


def test_who_is_over_the_limit_costs_no_query(api: httpx.Client, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    for _ in range(4):
        api.get("/v1/users/limited")
    capsys.readouterr()
    assert api.get("/v1/users/limited").status_code == 429
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["statements"] == 0


def test_a_bucket_drains_with_time(api: httpx.Client, world: World) -> None:
    for _ in range(4):
        api.get("/v1/users/limited")
    world.run("update rate_limits set updated_at = updated_at - interval '1200 seconds'")
    rate_limits._refused_until.clear()
    assert [api.get("/v1/users/limited").status_code for _ in range(2)] == [200, 429]


@pytest.mark.usefixtures("limits_on")
def test_clients_are_counted_apart_and_an_ipv6_network_together() -> None:
    def call(peer: str) -> int:
        return next(client.get("/v1/users/limited").status_code for client in _client(peer))

    assert [call("198.51.100.2") for _ in range(4)] == [200, 200, 200, 429]
    assert call("198.51.100.3") == 200
    assert [call(f"2001:db8::{n}") for n in range(1, 5)] == [200, 200, 200, 429]
    assert call("2001:db8:0:1::1") == 200


@pytest.mark.usefixtures("limits_on")
def test_who_has_a_whole_ipv6_site_has_no_more_than_32_networks(world: World) -> None:
    def calls(network: int) -> list[int]:
        peers = (f"2001:db8:7:{network:x}::{n}" for n in range(1, 4))
        return [client.get("/v1/users/limited").status_code for peer in peers for client in _client(peer)]

    assert {code for network in range(32) for code in calls(network)} == {200}
    assert calls(32) == [429, 429, 429]
    assert [client.get("/v1/users/limited").status_code for client in _client("2001:db8:8::1")] == [200]


@pytest.mark.usefixtures("limits_on")
def test_a_spoofed_forwarded_for_changes_nothing() -> None:
    for client in _client("198.51.100.9"):
        spoofed = ({"X-Forwarded-For": f"203.0.113.{n}"} for n in range(4))
        codes = [client.get("/v1/users/limited", headers=headers).status_code for headers in spoofed]
        assert codes == [200, 200, 200, 429]


def test_people_behind_a_trusted_proxy_are_counted_apart(limits_on: None, settings: SettingsChange) -> None:
    settings(TRUSTED_PROXIES="198.51.100.0/24", RATE_LIMITS="true")
    assert get_settings().rate_limits
    for client in _client("198.51.100.20"):
        for person in ("203.0.113.1", "203.0.113.2"):
            headers = {"X-Forwarded-For": f"192.0.2.99, {person}"}
            codes = [client.get("/v1/users/limited", headers=headers).status_code for _ in range(4)]
            assert codes == [200, 200, 200, 429]
