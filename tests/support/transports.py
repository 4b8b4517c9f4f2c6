"""One HTTP client, three ways to a function: in this process, over uvicorn, through a function-URL event."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final, Protocol

import httpx
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from common.functions import FUNCTIONS
from infra.local import function_url

PEER: Final = "203.0.113.7"


class FunctionModule(Protocol):
    """What a function's `app.py` has."""

    app: ASGIApp
    handler: Callable[[dict[str, Any], Any], dict[str, Any]]


def function_module(path: str) -> FunctionModule | None:
    """The `app.py` that a path belongs to."""
    match path.split("/"):
        case ["", "v1", name, *_] | ["", ".well-known", _, "v1", name] if name in FUNCTIONS:
            module: Any = import_module(f"functions.{name}.app")
        case _:
            return None
    return module  # type: ignore[no-any-return]  # a module has no type of its own


async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
    """All functions in one ASGI application, by path prefix."""
    module = function_module(scope["path"])
    assert module is not None, scope["path"]
    await module.app(scope, receive, send)


class AsgiTransport(httpx.BaseTransport):
    """Calls the application in a loop of its own, from any thread."""

    def __init__(self, app: ASGIApp = dispatch, peer: str = PEER) -> None:
        self._inner = httpx.ASGITransport(app, raise_app_exceptions=False, client=(peer, 40_000))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return asyncio.run_coroutine_threadsafe(self._answer(request), self._loop).result(60)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        # The body comes from a sync client; the inner transport reads it as an async stream.
        copy = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
        response = await self._inner.handle_async_request(copy)
        content = await response.aread()
        return httpx.Response(
            response.status_code, headers=response.headers, content=content, request=request
        )

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class FunctionUrlTransport(httpx.BaseTransport):
    """Makes the event that a function URL makes, and takes it through JSON both ways."""

    def __init__(self, peer: str = PEER) -> None:
        self._peer = peer
        # Lambda calls a handler from one thread, always the same.
        self._instance = ThreadPoolExecutor(1)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raw_path, _, query = request.url.raw_path.decode().partition("?")
        module = function_module(request.url.path)
        assert module is not None, raw_path
        event = function_url.to_event(
            request.method, raw_path, query, request.headers.raw, request.read(), self._peer
        )
        carried = json.loads(json.dumps(event))
        result = self._instance.submit(module.handler, carried, None).result(60)
        response = function_url.from_result(json.loads(json.dumps(result)))
        return httpx.Response(
            response.status, headers=response.headers, content=response.body, request=request
        )

    def close(self) -> None:
        self._instance.shutdown()


@contextmanager
def uvicorn_server(app: ASGIApp = dispatch) -> Iterator[str]:
    """A real server on loopback; gives its URL."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="error", access_log=False, lifespan="off"
    )
    server = uvicorn.Server(config)
    started = threading.Event()
    startup = server.startup

    async def tell_when_started(sockets: Any = None) -> None:
        await startup(sockets)
        started.set()

    server.startup = tell_when_started  # type: ignore[method-assign]  # uvicorn has no event for it
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert started.wait(30)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)
