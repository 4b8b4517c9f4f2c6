"""Servers on loopback that do one thing wrong, and how to look at them."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from common.settings import Settings
from infra.doctor.edges import Network
from infra.doctor.findings import Check, Edge, State
from infra.doctor.places import Place, Viewpoint
from infra.doctor.running import EdgeReport, run
from infra.local.ports import free_port

HOST = Viewpoint(Place.HOST, Place.HOST)
CONTAINER = Viewpoint(Place.CONTAINER, Place.CONTAINER, sign="/.dockerenv is there")

type Answers = Callable[[str, str], tuple[int, dict[str, str], bytes]]


def look(settings: Settings, edge: str, view: Viewpoint = HOST, origins: Sequence[str] = ()) -> EdgeReport:
    """What is found at one edge of the network that the settings describe."""
    edges = Network(settings, view, origins).edges()
    (wanted,) = [each for each in edges if each.name == edge]
    (report,) = run([wanted])
    return report


def look_at(*checks: Check) -> EdgeReport:
    """What a chain of checks finds."""
    (report,) = run([Edge("edge", "", checks)])
    return report


def said(report: EdgeReport, state: State) -> str:
    """The sentences of one state, and what to do, a line each."""
    return "\n".join(
        f"{each.check}: {each.finding.found} → {each.finding.fix}"
        for each in report.seen
        if each.finding.state is state
    )


def failure(report: EdgeReport) -> str:
    """The one thing that failed; everything before it was well."""
    assert report.state is State.FAILED, report.seen
    assert [each.finding.state for each in report.seen].count(State.FAILED) == 1, report.seen
    return said(report, State.FAILED)


def assert_well(report: EdgeReport) -> None:
    assert {each.finding.state for each in report.seen} == {State.OK}, report.seen


def closed_port() -> int:
    """Where nothing listens."""
    return free_port()


@dataclass(frozen=True)
class Listener:
    """A server on loopback."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def silent() -> Iterator[Listener]:
    """It takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Listener(server.getsockname()[1])


@contextmanager
def full() -> Iterator[Listener]:
    """Its queue of connections is full: the next one gets no answer, as behind a firewall that drops."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        address = server.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        yield Listener(address[1])
        for each in waiting:
            each.close()


@contextmanager
def saying(line: bytes) -> Iterator[Listener]:
    """It answers each connection with these bytes, and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                # Who only wants to know whether somebody listens has hung up by now.
                with connection, suppress(OSError):
                    if line:
                        connection.sendall(line)
                        connection.shutdown(socket.SHUT_WR)
                        connection.recv(65_536)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Listener(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@contextmanager
def web(answer: Answers) -> Iterator[Listener]:
    """A web server: `answer(method, path)` gives status, headers and body."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            status, headers, body = answer(self.command, self.path)
            self.send_response_only(status)
            for name, value in ({"Content-Length": str(len(body)), "Connection": "close"} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                with suppress(OSError):  # who has seen enough has hung up
                    self.wfile.write(body)

        do_GET = do_POST = do_HEAD = do_OPTIONS = _answer  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: Any) -> None:
            """Not into the tests' output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield Listener(server.server_port)
    server.shutdown()
    thread.join(5)
    server.server_close()


def page(_method: str, _path: str) -> tuple[int, dict[str, str], bytes]:
    """Somebody's web page."""
    return 200, {"Content-Type": "text/html; charset=utf-8", "Server": "Apache"}, b"<h1>It works!</h1>"


def objects(by_path: dict[str, Any]) -> Answers:
    """Answers with JSON, by path; 404 elsewhere."""

    def answer(_method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        found = by_path.get(path)
        headers = {"Content-Type": "application/json"}
        return (404, headers, b"{}") if found is None else (200, headers, json.dumps(found).encode())

    return answer
