"""Containers that stop and start while people use them."""

import os
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from common.functions import FUNCTIONS
from infra.docker import jobs
from tests.infra.docker.network.conftest import Mailbox
from tests.infra.docker.network.test_smoke import PASSWORD, sign_up
from tests.support.network import CADDY, Network
from tests.support.waiting import eventually

CLIENTS = 8


class Load:
    """Clients that send one request after the other until they are told to stop."""

    def __init__(self, url: str, path: str, body: dict[str, Any]) -> None:
        self.answers: Counter[int | str] = Counter()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(CLIENTS)
        self._running = [self._threads.submit(self._send, url, path, body) for _ in range(CLIENTS)]

    def _send(self, url: str, path: str, body: dict[str, Any]) -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            while not self._stop.is_set():
                try:
                    got: int | str = client.post(path, json=body).status_code
                except httpx.HTTPError as error:
                    got = repr(error)
                with self._lock:
                    self.answers[got] += 1

    def wait_for(self, number: int) -> None:
        """Until so many more were answered."""
        wanted = self.answers.total() + number
        deadline = time.monotonic() + 60
        while self.answers.total() < wanted:
            assert time.monotonic() < deadline, self.answers
            self._stop.wait(0.02)

    def end(self) -> Counter[int | str]:
        """Let them end, and what they were answered."""
        self._stop.set()
        for each in self._running:
            each.result(60)
        self._threads.shutdown()
        return self.answers


def _reached(network: Network) -> int:
    """How many of the load's requests the function has answered, by its own log."""
    lines = network.log("auth").read_text().splitlines()
    return sum('"status": 401' in line and '"/v1/auth/refresh"' in line for line in lines)


def _sends_bodies_again() -> bool:
    """From 2.11.2 on, Caddy tries a request with a body again when its connection was refused (#7547)."""
    said = subprocess.run([CADDY, "version"], capture_output=True, text=True, timeout=10, check=True).stdout
    return tuple(int(part) for part in re.findall(r"\d+", said)[:3]) >= (2, 11, 2)


def test_no_request_is_lost_while_a_function_is_replaced(network: Network) -> None:
    # Writes: one that reached the function and whose answer did not come back would not be sent again.
    load = Load(network.url, "/v1/auth/refresh", {"refresh_token": "x" * 43})
    load.wait_for(100)
    codes = set()
    for _ in range(3):
        codes.add(network.stop("auth"))
        network.start("auth")
        load.wait_for(50)
    answers = load.end()
    assert codes == {-signal.SIGTERM}
    # 401 is the function's own. 503 says that it reached nobody, and to try again. 502 is what Caddy says,
    # seldom, of a kept connection that closed as the request was sent: nobody had read that one either.
    assert set(answers) <= ({401, 502} if _sends_bodies_again() else {401, 502, 503}), answers
    assert answers[503] <= 3 * CLIENTS
    assert answers[502] <= 3
    assert eventually(lambda: _reached(network) == answers[401])


def test_a_request_that_is_under_way_is_answered_before_the_function_ends(
    network: Network, client: httpx.Client, mailbox: tuple[Mailbox, int]
) -> None:
    sign_up(client, mailbox[0], "slow@lambkin.example")
    body = {"email": "slow@lambkin.example", "password": PASSWORD}
    with ThreadPoolExecutor(4) as threads, httpx.Client(base_url=network.url, timeout=30) as direct:
        asked = [threads.submit(direct.post, "/v1/auth/login", json=body) for _ in range(4)]
        assert network.stop("auth") == -signal.SIGTERM
        network.start("auth")
        assert {each.result(30).status_code for each in asked} == {200}


def test_jobs_end_at_once_where_nothing_is_under_way(network: Network) -> None:
    started = time.monotonic()
    assert network.stop("worker-jobs") == 0
    assert time.monotonic() - started < 10
    network.start("worker-jobs")


def test_jobs_that_hang_are_seen(network: Network) -> None:
    sign = network.scratch("worker-jobs") / jobs.SIGN_OF_LIFE.name
    os.utime(sign, (0, 0))
    assert not network.healthy("worker-jobs")
    sign.touch()
    assert network.healthy("worker-jobs")


def test_a_gateway_that_stops_ends_what_is_under_way(network: Network, client: httpx.Client) -> None:
    assert client.get("/v1/health/live").status_code == 200
    assert network.stop("backend") == 0
    network.start_gateway()
    assert {name for name in FUNCTIONS if not network.healthy(name)} == set()
