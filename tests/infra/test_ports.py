import os
import socket
from collections.abc import Iterator

import pytest

from infra.local.ports import LOOPBACK, PortTaken, choose, free_port, is_free, listen


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_names_the_process_and_the_option(taken: int) -> None:
    with pytest.raises(PortTaken) as caught:
        choose("AWS emulator", taken, "--emulator-port")

    sentence = str(caught.value)
    assert f"Port {taken}, which the AWS emulator needs, is held by" in sentence
    assert f"(pid {os.getpid()})" in sentence
    assert "--emulator-port" in sentence


def test_a_taken_gateway_port_is_refused(taken: int) -> None:
    with pytest.raises(PortTaken, match="--port"):
        listen(taken, "--port")


def test_port_0_takes_a_free_one(taken: int) -> None:
    port = choose("database", 0, "--postgres-port")

    assert port not in (0, taken)
    assert is_free(port)


def test_a_free_port_is_taken_as_asked() -> None:
    port = free_port()

    assert choose("database", port, "--postgres-port") == port


def test_the_gateway_listens_on_every_address_of_localhost() -> None:
    listeners = listen(0, "--port")
    try:
        port = listeners[0].getsockname()[1]
        assert {listener.getsockname()[1] for listener in listeners} == {port}
        with socket.create_connection(("localhost", port), timeout=5):
            pass
    finally:
        for listener in listeners:
            listener.close()


def test_no_gateway_where_another_has_the_port_on_ipv6_alone() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortTaken):
            listen(port, "--port")
