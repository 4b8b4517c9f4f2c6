"""What the gateway does by itself: limits, failures, streams."""

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from infra.local.ports import LOOPBACK, free_port
from tests.support.network import CADDY, CADDYFILE, Network
from tests.support.stand_in import StandIn
from tests.support.transports import uvicorn_server
from tests.support.waiting import eventually

PROBLEM = "application/problem+json"


@contextmanager
def gateway(folder: Path, auth: int, given: dict[str, str] | None = None) -> Iterator[Network]:
    """The gateway alone, with something else in the place of `auth` and nothing in any other."""
    made = Network(folder, given or {}, {"localstack:4566": free_port()})
    made.ports["auth:8000"] = auth
    made.start_gateway()
    try:
        yield made
    finally:
        made.stop_all()


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


@pytest.fixture(scope="module")
def stand_in() -> StandIn:
    return StandIn()


@pytest.fixture(scope="module")
def alone(stand_in: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with uvicorn_server(stand_in) as url, gateway(tmp_path_factory.mktemp("alone"), port_of(url)) as made:
        yield made


def is_problem(answer: httpx.Response, status: int, code: str, instance: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == PROBLEM
    assert answer.headers["Cache-Control"] == "no-store"
    problem = answer.json()
    assert set(problem) == {"type", "title", "status", "detail", "instance", "code", "request_id"}
    assert (problem["status"], problem["code"], problem["instance"]) == (status, code, instance)
    assert problem["type"] == f"urn:lambkin:problem:{code}"
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert len(answer.headers.get_list("X-Request-ID")) == 1


def test_the_configuration_is_valid_and_formatted() -> None:
    common = ["--config", str(CADDYFILE), "--adapter", "caddyfile"]
    checked = subprocess.run(
        [CADDY, "validate", *common], capture_output=True, text=True, timeout=30, check=False
    )
    assert checked.returncode == 0, checked.stderr
    formatted = subprocess.run(
        [CADDY, "fmt", str(CADDYFILE)], capture_output=True, text=True, timeout=30, check=False
    )
    assert formatted.stdout == CADDYFILE.read_text()


def test_an_unknown_prefix_is_a_problem(alone: Network) -> None:
    is_problem(httpx.get(f"{alone.url}/v1/nobody/x?token=1"), 404, "not_found", "/v1/nobody/x")
    is_problem(httpx.get(f"{alone.url}/"), 404, "not_found", "/")
    is_problem(httpx.get(f"{alone.url}/v1/authority"), 404, "not_found", "/v1/authority")


def test_a_path_that_is_no_json_does_not_break_the_problem(alone: Network) -> None:
    is_problem(httpx.get(f"{alone.url}/v1/a%22,%22code%22:%22x"), 404, "not_found", "/")
    is_problem(httpx.get(f"{alone.url}/v1/{{http.request.host}}"), 404, "not_found", "/")


def test_a_function_that_is_down_is_unavailable_for_a_moment(alone: Network) -> None:
    answer = httpx.get(f"{alone.url}/v1/users/me", timeout=15)
    is_problem(answer, 503, "unavailable", "/v1/users/me")
    assert answer.headers["Retry-After"] == "5"


def test_an_answer_that_breaks_off_before_it_began_is_a_bad_gateway(tmp_path: Path) -> None:
    with (
        socket.create_server((LOOPBACK, 0)) as listener,
        gateway(tmp_path, listener.getsockname()[1]) as made,
    ):
        import threading

        def close_at_once() -> None:
            connection, _ = listener.accept()
            connection.recv(65_536)
            connection.close()

        thread = threading.Thread(target=close_at_once)
        thread.start()
        secret = {"Authorization": "Bearer of-nobody-s-concern"}
        address = f"{made.url}/v1/auth/login?token=secret-in-the-query"
        answer = httpx.post(address, json={}, headers=secret, timeout=15)
        thread.join(10)
        is_problem(answer, 502, "bad_gateway", "/v1/auth/login")
        said = made.log("backend").read_text()
        (line,) = (json.loads(each) for each in said.splitlines() if '"status":502' in each)
        assert line["request"]["uri"] == "/v1/auth/login"
        for hidden in ("secret-in-the-query", "of-nobody-s-concern", "remote"):
            assert hidden not in str(line["request"])


def test_a_body_that_is_too_large_is_refused_however_it_comes(alone: Network) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 65_536

    large = httpx.post(f"{alone.url}/v1/auth/echo", content=b"x" * 1_048_577)
    is_problem(large, 413, "content_too_large", "/v1/auth/echo")
    is_problem(
        httpx.post(f"{alone.url}/v1/auth/echo", content=chunks()), 413, "content_too_large", "/v1/auth/echo"
    )
    assert httpx.post(f"{alone.url}/v1/auth/echo", content=b"x" * 1_048_576).text == "1048576"


def test_headers_beyond_any_honest_size_are_refused(alone: Network, stand_in: StandIn) -> None:
    reached = len(stand_in.seen)
    assert httpx.get(f"{alone.url}/v1/auth/echo", headers={"X-Large": "x" * 65_536}).status_code == 431
    assert httpx.get(f"{alone.url}/v1/auth/echo?{'x' * 40_000}").status_code in {414, 431}
    many = {f"X-{number}": "x" * 100 for number in range(1000)}
    assert httpx.get(f"{alone.url}/v1/auth/echo", headers=many).status_code == 431
    assert len(stand_in.seen) == reached
    assert httpx.get(f"{alone.url}/v1/auth/echo", headers={"Cookie": "x" * 8000}).status_code == 200


def test_the_prefix_stays_and_so_does_every_character_of_the_path(alone: Network, stand_in: StandIn) -> None:
    httpx.get(f"{alone.url}/v1/auth/a%2Fb/c%20d?x=1&x=%2B")
    assert stand_in.seen[-1]["raw_path"] == b"/v1/auth/a%2Fb/c%20d"
    assert stand_in.seen[-1]["query_string"] == b"x=1&x=%2B"


def test_a_stranger_s_forwarding_headers_are_not_passed_on(alone: Network, stand_in: StandIn) -> None:
    false = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
    }
    httpx.get(f"{alone.url}/v1/auth/echo", headers=false)
    values = [
        value.decode() for name, value in stand_in.seen[-1]["headers"] if name.startswith(b"x-forwarded")
    ]
    assert "127.0.0.1" in values
    assert not {"203.0.113.9", "evil.example", "https"} & set(values)


def test_load_balancers_that_are_trusted_are_believed(stand_in: StandIn, tmp_path: Path) -> None:
    trusted = "127.0.0.41 2001:db8::/32 127.0.1.0/24"
    with (
        uvicorn_server(stand_in) as url,
        gateway(tmp_path, port_of(url), {"GATEWAY_TRUSTED_PROXIES": trusted}) as made,
    ):
        for address, expected in (
            ("127.0.0.41", "203.0.113.9, 127.0.0.41"),
            ("127.0.1.7", "203.0.113.9, 127.0.1.7"),
            ("127.0.0.42", "127.0.0.42"),
        ):
            transport = httpx.HTTPTransport(local_address=address)
            with httpx.Client(transport=transport) as client:
                client.get(f"{made.url}/v1/auth/echo", headers={"X-Forwarded-For": "203.0.113.9"})
            headers = dict(stand_in.seen[-1]["headers"])
            assert headers[b"x-forwarded-for"].decode() == expected


def test_a_stream_arrives_piece_by_piece(alone: Network, stand_in: StandIn) -> None:
    stand_in.go_on.clear()
    with httpx.stream("GET", f"{alone.url}/v1/auth/stream", timeout=10) as answer:
        pieces = answer.iter_bytes()
        assert next(pieces) == b"data: 1\n\n"
        # The second is not sent before the first was read: nothing on the way waits for more.
        stand_in.go_on.set()
        assert b"".join(pieces) == b"data: 2\n\n"


def test_who_leaves_a_stream_ends_it(alone: Network, stand_in: StandIn) -> None:
    with httpx.stream("GET", f"{alone.url}/v1/auth/endless", timeout=10) as answer:
        next(answer.iter_bytes())
    assert eventually(stand_in.gone.is_set)


def test_an_answer_that_breaks_off_in_the_middle_is_not_taken_for_whole(alone: Network) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{alone.url}/v1/auth/broken")
