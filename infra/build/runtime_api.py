"""The Lambda Runtime API for one function on loopback: what the real runtime client asks for its events.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import queue
import re
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

_NEXT: Final = "/2018-06-01/runtime/invocation/next"
_OUTCOME: Final = re.compile(r"/2018-06-01/runtime/invocation/(?P<id>[^/]+)/(?P<kind>response|error)")
_START_FAILED: Final = "/2018-06-01/runtime/init/error"


class InvocationFailed(Exception):
    """The function raised, could not be started, or took too long; the message is what it told."""


@dataclass(frozen=True)
class _Invocation:
    id: str
    event: bytes
    deadline_ms: int


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that was ended closes its connections as it likes."""


class RuntimeApi:
    """Hands out events and takes what became of them; `address` is for AWS_LAMBDA_RUNTIME_API."""

    def __init__(self, function: str) -> None:
        self.function = function
        self._waiting: queue.SimpleQueue[_Invocation | None] = queue.SimpleQueue()
        self._told: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        """Host and port."""
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting.put(None)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def invoke(self, event: object, seconds: float = 30.0) -> Any:  # noqa: ANN401 - whatever the handler returns
        """Give the function one event; what its handler returned. Raises InvocationFailed."""
        invocation = _Invocation(
            str(uuid4()), json.dumps(event).encode(), int((time.time() + seconds) * 1000)
        )
        self._waiting.put(invocation)
        try:
            kind, body = self._told.get(timeout=seconds)
        except queue.Empty:
            raise InvocationFailed(f"{self.function} has not answered within {seconds:g} s.") from None
        told = json.loads(body) if body else None
        if kind == "response":
            return told
        raise InvocationFailed(_sentence(told))

    def _next(self) -> _Invocation | None:
        return self._waiting.get()

    def _tell(self, kind: str, body: bytes) -> None:
        self._told.put((kind, body))


def _sentence(told: Any) -> str:  # noqa: ANN401 - JSON
    if not isinstance(told, dict):
        return str(told)
    trace = "".join(str(line) for line in told.get("stackTrace") or [])
    return f"{told.get('errorType')}: {told.get('errorMessage')}\n{trace}".strip()


def _handler_of(api: RuntimeApi) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"api": api})


class _Handler(BaseHTTPRequestHandler):
    api: RuntimeApi
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        invocation = self.api._next() if self.path == _NEXT else None  # noqa: SLF001 - one thing in two classes
        if invocation is None:
            self._answer(404, b"{}")
            return
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.id,
            "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": _arn(self.api.function),
            "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000;Sampled=0",
        }
        self._answer(200, invocation.event, headers)

    def do_POST(self) -> None:
        body = self._body()
        outcome = _OUTCOME.fullmatch(self.path)
        if outcome or self.path == _START_FAILED:
            self.api._tell(outcome["kind"] if outcome else "error", body)  # noqa: SLF001 - as above
            self._answer(202, b"{}")
        else:
            self._answer(404, b"{}")

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: the function's own log tells."""


def _arn(function: str) -> str:
    return f"arn:aws:lambda:us-east-1:000000000000:function:lambkin-{function}"
