"""A function behind its function URL: an ASGI app whose every request crosses as an event.

An instance works on one event at a time, as in Lambda. A second request at the same moment gets an instance
of its own (a cold start), up to a limit; beyond that requests wait for the first one that is free.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from infra.local import lambda_context
from infra.local.children import LAUNCHER
from infra.local.function_url import PAYLOAD_LIMIT, BadResult, Response, from_result, to_event
from infra.local.problems import problem

MAX_INSTANCES = 4
LINE_LIMIT = 4 * PAYLOAD_LIMIT  # bytes; a body of quotes doubles when it is escaped again
DRAIN_LIMIT = 64 * 1024 * 1024  # bytes
SEE_LOG = "See the log above for what it raised."

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class InstanceFailed(Exception):
    """An instance ended, or took longer than Lambda allows."""


class ClientGone(Exception):
    """The client went away before it had sent its whole request."""


class Instance:
    """A process of one function."""

    def __init__(self, module: str, function_name: str) -> None:
        self._module = module
        self._function_name = function_name
        self._process: asyncio.subprocess.Process | None = None

    async def invoke(self, event: str) -> dict[str, Any]:
        """One event, as JSON, to its answer. Raises `InstanceFailed`: it is of no use after that."""
        process = self._process or await self._start()
        if process.stdin is None or process.stdout is None:
            raise InstanceFailed("It has no pipes.")
        try:
            async with asyncio.timeout(lambda_context.TIMEOUT):
                process.stdin.write(event.encode() + b"\n")
                await process.stdin.drain()
                line = await process.stdout.readuntil(b"\n")
        except TimeoutError:
            raise InstanceFailed(f"It ran longer than {lambda_context.TIMEOUT:g} s.") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise InstanceFailed("Its process ended.") from None
        except asyncio.LimitOverrunError:
            raise InstanceFailed("Its answer is far over the limit of 6 MB.") from None
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        """Kill its process."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def _start(self) -> asyncio.subprocess.Process:
        launcher = (sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), "9", "0", "0")
        self._process = await asyncio.create_subprocess_exec(
            *launcher,
            *(sys.executable, "-m", "infra.local.instance", self._module, self._function_name),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_LIMIT,
            env=os.environ | lambda_context.environment_of(self._function_name),
        )
        return self._process


class LambdaFunction:
    """One function as an ASGI app."""

    def __init__(self, name: str, module: str) -> None:
        self._name = name
        self._module = module
        self._idle: list[Instance] = []
        self._slots = asyncio.Semaphore(MAX_INSTANCES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        with suppress(ClientGone):
            await send_response(await self._respond(scope, receive), scope, send)

    def end(self) -> None:
        """Kill the instances that are idle; those at work end with this process."""
        for instance in self._idle:
            instance.end()

    async def _respond(self, scope: Scope, receive: Receive) -> Response:
        path = scope["path"]
        event = await self._event(scope, receive)
        if event is None or len(event) > PAYLOAD_LIMIT:
            detail = "A request to a Lambda function may have 6 MB, as the JSON of its event."
            return problem(413, "payload_too_large", detail, path)
        try:
            answer = await self._invoke(event)
        except InstanceFailed as error:
            return problem(502, "function_failed", f"The function {self._name} failed. {error}", path)
        if "error" in answer:
            print(answer["trace"], file=sys.stderr, flush=True)
            detail = f"The function {self._name} raised {answer['error'].partition(':')[0]}. {SEE_LOG}"
            return problem(502, "function_failed", detail, path)
        if len(json.dumps(answer["result"])) > PAYLOAD_LIMIT:
            detail = "The response of a Lambda function may have 6 MB, as the JSON of its result."
            return problem(502, "response_too_large", detail, path)
        try:
            return from_result(answer["result"])
        except BadResult as error:
            return problem(502, "function_failed", str(error), path)

    async def _event(self, scope: Scope, receive: Receive) -> str | None:
        """The event as JSON, or none where the body alone is over the limit."""
        body = bytearray()
        size = 0
        more = True
        # What is too large is read to its end all the same: a client that still sends hears no answer.
        while more and size < DRAIN_LIMIT:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part = message.get("body", b"")
            size += len(part)
            if size <= PAYLOAD_LIMIT:
                body += part
            more = message.get("more_body", False)
        if size > PAYLOAD_LIMIT:
            return None
        raw_path = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
        event = to_event(
            scope["method"],
            raw_path.decode("latin-1"),
            scope["query_string"].decode("latin-1"),
            scope["headers"],
            bytes(body),
            scope["client"][0] if scope.get("client") else "127.0.0.1",
            scheme=scope.get("scheme", "http"),
        )
        return json.dumps(event)

    async def _invoke(self, event: str) -> dict[str, Any]:
        async with self._slots:
            instance = self._idle.pop() if self._idle else Instance(self._module, f"lambkin-{self._name}")
            try:
                answer = await instance.invoke(event)
            except BaseException:
                instance.end()
                raise
            self._idle.append(instance)
            return answer


async def send_response(response: Response, scope: Scope, send: Send) -> None:
    """Hand a whole response to the server."""
    headers = [
        (name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in response.headers
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else response.body
    await send({"type": "http.response.body", "body": body})
