import socket
from dataclasses import replace
from typing import Any

import pytest

from infra.doctor import network
from infra.doctor.findings import State
from infra.doctor.network import Way
from infra.doctor.places import Place, Viewpoint
from infra.doctor.targets import Target, parse
from tests.infra.doctor.broken import (
    CONTAINER,
    HOST,
    assert_well,
    closed_port,
    failure,
    full,
    look_at,
    said,
    silent,
)

AUTH_FROM_OUTSIDE = Viewpoint(Place.HOST, Place.CONTAINER, "auth")


def database(host: str, port: int) -> Target:
    return Target("DATABASE_URL", "postgresql", host, port)


@pytest.fixture
def no_such_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that knows nobody: names without a dot must not leave this machine."""

    def refuse(host: str, *_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, f"{host} is not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_what_listens_is_reached() -> None:
    with silent() as server:
        assert_well(look_at(*Way(database("localhost", server.port), HOST).checks))


def test_a_closed_port_is_said_to_be_one() -> None:
    found = failure(look_at(*Way(database("127.0.0.1", port := closed_port()), HOST).checks))
    assert found.startswith(
        f"connect: 127.0.0.1:{port} refuses: nothing listens there. → Start it (`lambkin up`"
    )
    assert "its port is not published" in found


def test_localhost_in_a_container_is_the_container() -> None:
    found = failure(look_at(*Way(database("localhost", closed_port()), CONTAINER).checks))
    assert "In a container, `localhost` is the container itself. → Set DATABASE_URL to pgsql:5432." in found


def test_a_server_bound_to_loopback_is_found_there() -> None:
    with silent() as server:
        found = failure(look_at(*Way(database("127.0.0.2", server.port), CONTAINER).checks))
    assert f"The server listens on loopback only: 127.0.0.1:{server.port} answers" in found
    assert "Have it listen on 0.0.0.0" in found


def test_a_server_that_loopback_does_not_reach_is_found_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    # A machine whose own address is 127.0.0.3.
    monkeypatch.setattr(network, "_own_addresses", lambda: ["127.0.0.1", "127.0.0.3"])
    with socket.create_server(("127.0.0.3", 0)) as server:
        port = server.getsockname()[1]
        found = failure(look_at(*Way(database("127.0.0.1", port), HOST).checks))
    assert f"127.0.0.3:{port} answers, 127.0.0.1:{port} refuses" in found


def test_what_drops_connections_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "CONNECT_SECONDS", 0.2)
    with full() as server:
        found = failure(look_at(*Way(database("127.0.0.1", server.port), HOST).checks))
    assert f"No answer from 127.0.0.1:{server.port} within 0.2 s. → A firewall" in found


@pytest.mark.usefixtures("no_such_name")
def test_a_docker_name_is_not_known_outside() -> None:
    found = failure(look_at(*Way(database("pgsql", 5432), HOST).checks))
    assert "`pgsql` is a name of the Docker network: this machine does not know it." in found
    assert "→ Set DATABASE_URL to an address that this machine reaches." in found


@pytest.mark.usefixtures("no_such_name")
def test_a_default_that_only_the_docker_network_knows_is_a_warning() -> None:
    report = look_at(*Way(replace(database("pgsql", 5432), given=False), HOST).checks)
    assert report.state is State.WARNING
    assert "`docker compose exec auth lambkin doctor`" in said(report, State.WARNING)


@pytest.mark.usefixtures("no_such_name")
def test_a_browser_does_not_know_a_docker_name() -> None:
    backend = parse("PUBLIC_URL", "http://backend:8000")
    for view, words in ((HOST, "this machine does not know it"), (CONTAINER, "no browser knows it")):
        found = failure(look_at(*Way(backend, view, browser=True).checks))
        assert f"`backend` is a name of the Docker network: {words}." in found
        assert "→ Set PUBLIC_URL to what browsers reach, http://localhost:8000 for example." in found


@pytest.mark.usefixtures("no_such_name")
def test_a_name_that_its_own_network_does_not_know() -> None:
    found = failure(look_at(*Way(database("pgsql", 5432), CONTAINER).checks))
    assert "`pgsql` is not known in this network. → Is the service up (`docker compose ps`)" in found


@pytest.mark.usefixtures("no_such_name")
def test_a_default_that_its_own_network_does_not_know() -> None:
    found = failure(look_at(*Way(replace(database("pgsql", 5432), given=False), CONTAINER).checks))
    assert "DATABASE_URL is not set, and its default `pgsql` is not known in this network." in found


@pytest.mark.usefixtures("no_such_name")
def test_a_host_that_there_is_not() -> None:
    found = failure(look_at(*Way(database("db.lambkin.example", 5432), HOST).checks))
    assert "No host is called `db.lambkin.example`. → Correct DATABASE_URL" in found


def test_a_name_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    found = failure(look_at(*Way(database("pgsql", 5432), HOST).checks))
    assert "No name server answers the question for `pgsql`." in found


def test_from_outside_localhost_is_not_the_services() -> None:
    with silent() as server:
        found = failure(look_at(*Way(database("localhost", server.port), AUTH_FROM_OUTSIDE).checks))
    assert "In the container of auth, `localhost` is that container itself" in found


def test_from_outside_a_docker_name_says_nothing() -> None:
    report = look_at(*Way(database("pgsql", 5432), AUTH_FROM_OUTSIDE).checks)
    assert [each.finding.state for each in report.seen] == [State.WARNING]
    assert "Look from inside: `docker compose exec auth lambkin doctor`." in said(report, State.WARNING)


def test_the_browsers_localhost_cannot_be_tried_from_a_container() -> None:
    # In the container of a function, the function itself answers on that port.
    with silent() as server:
        target = parse("PUBLIC_URL", f"http://localhost:{server.port}")
        report = look_at(*Way(target, CONTAINER, browser=True).checks)
    assert_well(report)
    assert len(report.seen) == 1
    assert "from inside this container it cannot be tried" in said(report, State.OK)


def test_names_below_localhost_are_loopback() -> None:
    with silent() as server:
        target = parse("PUBLIC_URL", f"http://id.lambda-url.us-east-1.localhost:{server.port}")
        assert_well(look_at(*Way(target, HOST).checks))
