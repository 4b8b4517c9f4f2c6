"""How a function's server stops."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from infra.docker import serve
from infra.local.ports import LOOPBACK, free_port
from tests.support.stand_in import StandIn
from tests.support.waiting import eventually


@contextmanager
def served(app: StandIn) -> Iterator[tuple[serve.Server, int, threading.Thread]]:
    """A server of a function's kind, with another application."""
    port = free_port()
    config = serve.configuration("auth", LOOPBACK, port)
    config.app = app
    server = serve.Server(config, serve.DRAIN_SECONDS)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        eventually(lambda: server.started)
        yield server, port, thread
    finally:
        app.go_on.set()
        server.should_exit = True
        thread.join(30)
    assert not thread.is_alive()


def _saying_goodbye(url: str) -> bool:
    return "close" in httpx.get(f"{url}/v1/auth/echo").headers.get_list("Connection")


def _refused(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), 1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_it_ends_what_is_under_way_and_takes_nothing_new() -> None:
    app = StandIn()
    with served(app) as (server, port, thread), httpx.Client(timeout=20) as client:
        url = f"http://{LOOPBACK}:{port}"
        with client.stream("GET", f"{url}/v1/auth/stream") as answer:
            pieces = answer.iter_bytes()
            assert next(pieces) == b"data: 1\n\n"
            server.should_exit = True
            # For a moment it goes on serving, and lets every connection go with its answer.
            eventually(lambda: _saying_goodbye(url))
            eventually(lambda: _refused(port))
            assert thread.is_alive()
            app.go_on.set()
            assert b"".join(pieces) == b"data: 2\n\n"
        thread.join(10)
        assert not thread.is_alive()


def test_who_stands_in_the_door_is_still_served(monkeypatch: pytest.MonkeyPatch) -> None:
    app = StandIn()
    late: list[socket.socket] = []
    with served(app) as (server, port, thread):
        shut = serve._last_in

        def connect_at_the_last_moment(door: socket.socket) -> list[socket.socket]:
            # The loop has stopped to accept, and the kernel has not.
            late.append(socket.create_connection((LOOPBACK, port), 5))
            late[-1].sendall(b"GET /v1/auth/echo HTTP/1.1\r\nHost: x\r\n\r\n")
            return shut(door)

        monkeypatch.setattr(serve, "_last_in", connect_at_the_last_moment)
        server.should_exit = True
        thread.join(10)
        (connection,) = late
        with connection:
            assert connection.recv(64).startswith(b"HTTP/1.1 200 OK")


def test_its_idle_connections_outlive_the_gateway_s() -> None:
    config = serve.configuration("auth", LOOPBACK, 0)
    assert config.timeout_keep_alive == serve.KEEP_ALIVE_SECONDS
    assert config.proxy_headers is False
