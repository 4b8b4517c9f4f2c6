"""One address for all functions: `/v1/<function>/...` goes to that function's app, its path unchanged.

`/.well-known/<name>/v1/<function>` does too, as RFC 8414 looks there for what an issuer with a path is.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from infra.local.discovery import Function
from infra.local.function_url import Response
from infra.local.importing import Broken, import_member
from infra.local.lambda_transport import LambdaFunction, send_response
from infra.local.openapi_merge import OpenAPIConflict, merge
from infra.local.pages import Pages
from infra.local.problems import problem

type Scope = MutableMapping[str, Any]
type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
UNKNOWN_HOST = "The gateway's own pages are only there for"
NO_SUCH_PATH = "No function answers here. /docs lists the operations that there are."


def load(functions: Iterable[Function], transport: str) -> dict[str, ASGIApp | Broken]:
    """The functions' apps by name; with `lambda` each is behind its function URL instead.

    One that cannot be imported is `Broken`, and the others serve all the same.
    """
    serving = [function for function in functions if function.serves_http]
    if transport == "lambda":
        return {function.name: LambdaFunction(function.name, function.app_module) for function in serving}
    return {function.name: import_member(function.app_module, "app") for function in serving}


class Gateway:
    """The ASGI app of the stack."""

    def __init__(
        self,
        functions: Mapping[str, ASGIApp | Broken],
        pages: Pages,
        hosts: Collection[str] = LOCAL_HOSTS,
    ) -> None:
        """`hosts` are the names under which the gateway's own pages may be asked for."""
        self._functions = functions
        self._pages = pages
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        match scope["path"].split("/", 5):
            case ["", "v1", name, *_] | ["", ".well-known", _, "v1", name] if name in self._functions:
                await self._forward(name, scope, receive, send)
            case _ if scope["type"] == "http":
                await send_response(await self._own(scope), scope, send)

    def broken(self) -> dict[str, str]:
        """The functions that cannot be imported, with the reason."""
        found = {}
        for name, app in self._functions.items():
            if isinstance(app, Broken):
                found[name] = app.reason
            elif isinstance(app, LambdaFunction) and app.broken:
                found[name] = app.broken
        return found

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        """Warm the instances up; an app by itself makes what it needs at its first request, as in Lambda."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                lambdas = (app for app in self._functions.values() if isinstance(app, LambdaFunction))
                await asyncio.gather(*(app.warm() for app in lambdas))
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _forward(self, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._functions[name]
        if not isinstance(app, Broken):
            await app(scope, receive, send)
        elif scope["type"] == "http":
            detail = f"The function {name} cannot be imported. {app.reason}"
            await send_response(problem(503, "function_broken", detail, scope["path"], 1), scope, send)

    async def _own(self, scope: Scope) -> Response:
        path, method = scope["path"], scope["method"]
        if _host(scope) not in self._hosts:
            # A page elsewhere whose name was pointed at this machine must not read the mailbox.
            return problem(421, "unknown_host", f"{UNKNOWN_HOST} {', '.join(self._hosts)}.", path)
        found = await self._openapi() if path == "/openapi.json" else self._pages.answer(path)
        if found is None:
            return problem(404, "not_found", NO_SUCH_PATH, path)
        if method not in ("GET", "HEAD"):
            found = problem(405, "method_not_allowed", "This page is only read: GET and HEAD.", path)
            found.headers.append(("allow", "GET, HEAD"))
        return found

    async def _openapi(self) -> Response:
        try:
            documents = await self._documents()
            content = json.dumps(merge(documents)).encode()
        except OpenAPIConflict as error:
            return problem(500, "openapi_conflict", str(error), "/openapi.json")
        headers = [("content-type", "application/json"), ("content-length", str(len(content)))]
        return Response(200, headers, content)

    async def _documents(self) -> dict[str, Any]:
        """Each function's own document, asked for as a client would: that works over every transport."""
        whole = {name: app for name, app in self._functions.items() if not isinstance(app, Broken)}
        found = await asyncio.gather(*(fetch(app, f"/v1/{name}/openapi.json") for name, app in whole.items()))
        return {
            name: json.loads(response.body)
            for name, response in zip(whole, found, strict=True)
            if response.status == 200
        }


def _host(scope: Scope) -> str:
    """The name that the client asked for, without its port."""
    given = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
    host = urlsplit(f"//{given}").hostname if given.isascii() else None
    return host or ""


async def fetch(app: ASGIApp, path: str) -> Response:
    """GET a path of an app in this process."""
    status = 0
    headers: list[tuple[str, str]] = []
    body = bytearray()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            headers.extend((name.decode(), value.decode()) for name, value in message.get("headers", ()))
        elif message["type"] == "http.response.body":
            body.extend(message.get("body", b""))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
    return Response(status, headers, bytes(body))
