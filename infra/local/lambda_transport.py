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
from infra.local.function_url import PAYLOAD_LIMIT, BadResult, Response, from_result, to_event
from infra.local.problems import problem
from infra.local.processes import LAUNCHER

MAX_INSTANCES = 4
LINE_LIMIT = 4 * PAYLOAD_LIMIT  # bytes; a body of quotes doubles when it is escaped again
DRAIN_LIMIT = 64 * 1024 * 1024  # bytes
SEE_LOG = "See the log above for what it raised."

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class InstanceFailed(Exception):
    """An instance could not be started, ended, or took longer than Lambda allows."""


class ClientGone(Exception):
    """The client went away before it had sent its whole request."""


class Instance:
    """A process of one function."""

    def __init__(self, module: str, function_name: str) -> None:
        self._module = module
        self._function_name = function_name
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the process and import the function. Raises `InstanceFailed`."""
        launcher = (sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), "9", "0", "0")
        self._process = await asyncio.create_subprocess_exec(
            *launcher,
            *(sys.executable, "-m", "infra.local.instance", self._module, self._function_name),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_LIMIT,
            env=os.environ | lambda_context.environment_of(self._function_name),
        )
        told = await self._read()
        if "error" in told:
            print(told["trace"], file=sys.stderr, flush=True)
            raise InstanceFailed(f"It cannot be imported. {told['error']}")

    async def invoke(self, event: str) -> dict[str, Any]:
        """One event, as JSON, to its answer. Raises `InstanceFailed`: it is of no use after that."""
        if self._process is None or self._process.stdin is None:
            raise InstanceFailed("It was not started.")
        with suppress(ConnectionError):  # it has ended, as the reading tells
            self._process.stdin.write(event.encode() + b"\n")
            await self._process.stdin.drain()
        return await self._read()

    async def close(self) -> None:
        """Kill its process."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _read(self) -> dict[str, Any]:
        if self._process is None or self._process.stdout is None:
            raise InstanceFailed("It was not started.")
        try:
            async with asyncio.timeout(lambda_context.TIMEOUT):
                line = await self._process.stdout.readuntil(b"\n")
        except TimeoutError:
            raise InstanceFailed(f"It ran longer than {lambda_context.TIMEOUT:g} s.") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise InstanceFailed("Its process ended.") from None
        except asyncio.LimitOverrunError:
            raise InstanceFailed("Its answer is far over the limit of 6 MB.") from None
        told: dict[str, Any] = json.loads(line)
        return told


class LambdaFunction:
    """One function as an ASGI app. `broken` says why it could not be started, where that is so."""

    def __init__(self, name: str, module: str) -> None:
        self.broken: str | None = None
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

    async def warm(self) -> None:
        """Start a first instance, so that the first request is no cold start."""
        with suppress(InstanceFailed):
            self._idle.append(await self._started())

    async def close(self) -> None:
        """End the instances that wait for work."""
        while self._idle:
            await self._idle.pop().close()

    async def _respond(self, scope: Scope, receive: Receive) -> Response:
        path = scope["path"]
        event = await self._event(scope, receive)
        if event is None or len(event) > PAYLOAD_LIMIT:
            detail = "A request to a Lambda function may have 6 MB, as the JSON of its event."
            return problem(413, "content_too_large", detail, path)
        try:
            answer = await self._invoke(event)
        except InstanceFailed as error:
            return problem(502, "function_failed", f"The function {self._name} failed. {error}", path)
        if "error" in answer:
            print(answer["trace"], file=sys.stderr, flush=True)
            detail = f"The function {self._name} raised {answer['error'].partition(':')[0]}. {SEE_LOG}"
            return problem(502, "function_failed", detail, path)
        return self._response(answer["result"], path)

    def _response(self, result: object, path: str) -> Response:
        if len(json.dumps(result)) > PAYLOAD_LIMIT:
            detail = "The response of a Lambda function may have 6 MB, as the JSON of its result."
            return problem(502, "response_too_large", detail, path)
        try:
            return from_result(result)
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
        return None if size > PAYLOAD_LIMIT else json.dumps(_event_of(scope, bytes(body)))

    async def _invoke(self, event: str) -> dict[str, Any]:
        async with self._slots:
            instance = self._idle.pop() if self._idle else await self._started()
            try:
                answer = await instance.invoke(event)
            except BaseException:
                await instance.close()
                raise
            self._idle.append(instance)
            return answer

    async def _started(self) -> Instance:
        instance = Instance(self._module, f"lambkin-{self._name}")
        try:
            await instance.start()
        except BaseException as error:
            await instance.close()
            self.broken = str(error) if isinstance(error, InstanceFailed) else None
            raise
        self.broken = None
        return instance


def _event_of(scope: Scope, body: bytes) -> dict[str, Any]:
    raw_path = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
    return to_event(
        scope["method"],
        raw_path.decode("latin-1"),
        scope["query_string"].decode("latin-1"),
        scope["headers"],
        body,
        scope["client"][0] if scope.get("client") else "127.0.0.1",
        scheme=scope.get("scheme", "http"),
    )


async def send_response(response: Response, scope: Scope, send: Send) -> None:
    """Hand a whole response to the server."""
    headers = [
        (name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in response.headers
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else response.body
    await send({"type": "http.response.body", "body": body})
