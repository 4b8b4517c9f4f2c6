"""The child that times the layers of one request, in microseconds of own time each.

It is asked `{"token", "calls", "in_lambda"}`: through the ASGI application, or through the Lambda handler.

One request is under way at a time, so layers nest on the wall clock, across `await` and threads: a clock is
read where each is entered and left, and a layer's own time is what its inner layers leave. That costs under a
microsecond a layer; a deterministic profiler's cost on every call would shift the shares.
"""

import asyncio
import functools
import importlib
import inspect
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import uvloop

from infra.bench.warm_calls import answer, caller, event_for, timed
from infra.local.lambda_context import environment_of

ROOT = "Mangum, or the outermost ASGI layer"
LAYERS: dict[str, tuple[str, ...]] = {
    "edge: context, headers": ("common.edge:Edge.__call__",),
    "edge: log line": ("common.edge:Edge._close",),
    "edge: counters": ("common.metrics:count", "common.metrics:observe"),
    "middleware, routing, FastAPI's handler": ("starlette.middleware.cors:CORSMiddleware.__call__",),
    "dependencies": ("fastapi.routing:solve_dependencies",),
    "token verification": ("common.access:Access.__call__",),
    "thread hop and gate": ("common.database.transactions:Database._hop",),
    "transaction around the statements": ("common.database.transactions:Database.reading",),
    "rules and models": ("functions.users.profiles:own_profile",),
    "statements: SQLAlchemy": (
        "functions.users.repository.accounts:profile",
        "sqlalchemy.orm:Session.commit",
        "sqlalchemy.orm:Session.close",
    ),
    "statements: driver, network, Postgres": ("common.database.pipelined:Connection._converse",),
    "serialisation": ("fastapi.routing:serialize_response",),
}


class Spans:
    """Own times of the layers, by call."""

    def __init__(self) -> None:
        self.calls: list[dict[str, float]] = []
        self.missing: list[str] = []
        self._own: defaultdict[str, float] = defaultdict(float)
        self._open: list[tuple[str, float]] = []

    @contextmanager
    def call(self) -> Iterator[None]:
        """All spans within belong to one call."""
        self._own.clear()
        self._enter(ROOT)
        yield
        self._leave()
        self.calls.append(dict(self._own))

    def wrap(self, layer: str, place: str) -> None:
        """Time what `module:path` names, or note that it is not there."""
        module, _, path = place.partition(":")
        *owners, name = path.split(".")
        try:
            owner: Any = importlib.import_module(module)
            for part in owners:
                owner = getattr(owner, part)
            function = getattr(owner, name)
        except (ImportError, AttributeError):
            self.missing.append(place)
            return
        setattr(owner, name, self._timed(layer, function))

    def _timed(self, layer: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def later(*arguments: object, **options: object) -> object:
            self._enter(layer)
            try:
                return await function(*arguments, **options)
            finally:
                self._leave()

        @functools.wraps(function)
        def now(*arguments: object, **options: object) -> object:
            self._enter(layer)
            try:
                return function(*arguments, **options)
            finally:
                self._leave()

        return later if inspect.iscoroutinefunction(function) else now

    def _enter(self, layer: str) -> None:
        moment = time.perf_counter()
        if self._open:
            outer, since = self._open[-1]
            self._own[outer] += moment - since
        self._open.append((layer, moment))

    def _leave(self) -> None:
        moment = time.perf_counter()
        layer, since = self._open.pop()
        self._own[layer] += moment - since
        if self._open:
            self._open[-1] = (self._open[-1][0], moment)


def means(calls: list[dict[str, float]]) -> dict[str, float]:
    """Microseconds of each layer over the middle half of the calls by length: they add up to a call."""
    ordered = sorted(calls, key=lambda call: sum(call.values()))
    middle = ordered[len(ordered) // 4 : len(ordered) - len(ordered) // 4]
    return {
        layer: sum(call.get(layer, 0.0) for call in middle) / len(middle) * 1e6 for layer in (ROOT, *LAYERS)
    }


def through_mangum(token: str) -> Callable[[], None]:
    """One invocation, as in Lambda."""
    os.environ.update(environment_of("users"))
    asyncio.set_event_loop(asyncio.new_event_loop())
    from functions.users.app import handler

    return caller(handler, "/v1/users/me", token)


def through_asgi(token: str) -> Callable[[], None]:
    """One request, as in a server, from where the HTTP server hands it over."""
    from functions.users.app import app

    loop = uvloop.new_event_loop()
    headers = [(name.encode(), value.encode()) for name, value in event_for("", token)["headers"].items()]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message.get("status", 200) != 200:
            raise AssertionError(f"answered {message['status']}")

    def call() -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/v1/users/me",
            "raw_path": b"/v1/users/me",
            "root_path": "",
            "query_string": b"",
            "headers": headers,
            "client": ("198.51.100.7", 40_000),
            "server": ("127.0.0.1", 8000),
        }
        loop.run_until_complete(app(scope, receive, send))

    return call


def measure(question: dict[str, Any]) -> dict[str, Any]:
    """First whole calls as they are, then calls with every layer timed."""
    call = (through_mangum if question["in_lambda"] else through_asgi)(question["token"])
    timed(call, question["calls"] // 4)
    plain = timed(call, question["calls"])
    spans = Spans()
    for layer, places in LAYERS.items():
        for place in places:
            spans.wrap(layer, place)
    timed(call, question["calls"] // 4)
    for _ in range(question["calls"]):
        with spans.call():
            call()
    return {"plain": plain, "spans": means(spans.calls), "missing": spans.missing}


if __name__ == "__main__":
    answer(measure)
