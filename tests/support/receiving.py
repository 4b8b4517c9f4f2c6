"""Servers on loopback that take what an application tells of itself, in the protocols published for it."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.support.waiting import eventually


@dataclass
class Received:
    """What came: path and body of each POST, uncompressed."""

    url: str = ""
    posts: list[tuple[str, bytes]] = field(default_factory=list)


@contextmanager
def receiver(answer: bytes = b"{}", content_type: str = "application/json") -> Iterator[Received]:
    """Takes every POST and answers 200."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            received.posts.append((self.path, body))
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    received.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class Traced:
    """A span that arrived; ids in hex, a parent's empty where there is none."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    links: list[str]
    failed: bool
    resource: dict[str, Any]


class Traces:
    """An OTLP receiver (OpenTelemetry Protocol Specification, OTLP/HTTP with binary protobuf)."""

    def __init__(self, received: Received) -> None:
        self.received = received

    def spans(self) -> list[Traced]:
        found: list[Traced] = []
        for path, body in self.received.posts:
            assert path == "/v1/traces"
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                of_resource = _attributes(resource.resource.attributes)
                for scope in resource.scope_spans:
                    found += [_traced(span, of_resource) for span in scope.spans]
        return found

    def wait_for(self, name: str, number: int = 1) -> list[Traced]:
        """The spans called `name`, once there are `number`."""

        def look() -> list[Traced]:
            named = [span for span in self.spans() if span.name == name]
            return named if len(named) >= number else []

        return eventually(look)


OTLP_ANSWER = ExportTraceServiceResponse().SerializeToString()


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair) for pair in pairs}


def _value(pair: KeyValue) -> Any:
    return getattr(pair.value, pair.value.WhichOneof("value") or "string_value")


def _traced(span: Span, resource: dict[str, Any]) -> Traced:
    return Traced(
        service=resource.get("service.name", ""),
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        attributes=_attributes(span.attributes),
        links=[link.trace_id.hex() for link in span.links],
        failed=span.status.code == Status.StatusCode.STATUS_CODE_ERROR,
        resource=resource,
    )


def events(received: Received) -> list[dict[str, Any]]:
    """The events in the envelopes that came (Sentry, "Envelopes")."""
    found: list[dict[str, Any]] = []
    for path, body in received.posts:
        assert path.startswith("/api/")
        assert path.endswith("/envelope/")
        header, rest = body.split(b"\n", 1)
        assert isinstance(json.loads(header), dict)
        while rest.strip():
            line, rest = rest.split(b"\n", 1)
            item = json.loads(line)
            length = item.get("length", len(rest.split(b"\n", 1)[0]))
            payload, rest = rest[:length], rest[length:].removeprefix(b"\n")
            if item["type"] == "event":
                found.append(json.loads(payload))
    return found
