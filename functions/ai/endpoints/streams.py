"""Server-sent events as OpenAI's clients read them, and requests whose client may leave.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from typing import Any, Final

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from common import error_reports
from common.errors import AppError
from common.logs import get_logger
from common.problems import from_exception, problem
from functions.ai.openai_errors import openai_error

log = get_logger(__name__)

type Json = dict[str, Any]

PATIENCE_SECONDS = 10.0
"""How long the answer waits for a first event, to be able to say by its status what went wrong."""
QUIET_SECONDS = 10.0
"""After so long without an event a comment is sent, or proxies would take the connection for dead."""

_COMMENT: Final = b": the model is at work\n\n"
_DONE: Final = b"data: [DONE]\n\n"
_EXAMPLE: Final = (
    'data: {"id":"chatcmpl-01890a5dac96774bbcceb302099a8057","object":"chat.completion.chunk",'
    '"created":1795335330,"model":"llama3.2:3b",'
    '"choices":[{"index":0,"delta":{"content":"Because"},"finish_reason":null}]}\n\n'
    "data: [DONE]\n\n"
)
DESCRIBED: Final[Json] = {
    "description": "The answer; with `stream` as server-sent events, whose last is `[DONE]`.",
    "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    "headers": {
        "X-Lambkin-Stream": {
            "description": "`buffered` where the events come together at the end.",
            "schema": {"type": "string", "enum": ["buffered"]},
        }
    },
}


async def while_connected[T](request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives. Where the client leaves before that, it is cancelled.

    Raises ClientDisconnect, and what `work` raises.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class EventStream(StreamingResponse):
    """Chunks as events. It owns what it sends: whatever ends it, the chunks are closed with it."""

    media_type = "text/event-stream"

    def __init__(self, chunks: AsyncGenerator[Json]) -> None:
        """`first` must have returned before it is sent."""
        self._chunks = chunks
        self._next: asyncio.Task[Json | None] | None = None
        super().__init__(self._events(), headers={"X-Accel-Buffering": "no"})

    async def first(self) -> None:
        """Wait for the first chunk, at most PATIENCE_SECONDS. Raises what the chunks raise before it."""
        try:
            if await self._is_there(PATIENCE_SECONDS):
                self._waiting().result()
        except BaseException:
            await self._close()
            raise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, until it ends or its client leaves."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._close()

    def _waiting(self) -> "asyncio.Task[Json | None]":
        # A task, as the wait for a chunk may be interrupted, and the chunk may not.
        self._next = self._next or asyncio.ensure_future(_next_of(self._chunks))
        return self._next

    async def _is_there(self, seconds: float) -> bool:
        waiting = self._waiting()
        await asyncio.wait((waiting,), timeout=seconds)
        return waiting.done()

    def _take(self) -> Json | None:
        taken, self._next = self._waiting(), None
        return taken.result()

    async def _close(self) -> None:
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)
        await self._chunks.aclose()

    async def _events(self) -> AsyncIterator[bytes]:
        seconds = 0.0
        try:
            while True:
                if not await self._is_there(seconds):
                    yield _COMMENT
                elif (chunk := self._take()) is not None:
                    yield _event(chunk)
                else:
                    break
                seconds = QUIET_SECONDS
            yield _DONE
        except Exception as error:  # noqa: BLE001 - whatever it is, the status is sent: an event tells it
            yield _event(openai_error(problem(_told(error))))


def _told(error: Exception) -> AppError:
    told = from_exception(error)
    if told is error:
        log.warning("stream_failed", problem=told.code)
    else:
        log.error("stream_failed", problem=told.code, exc_info=error)
        error_reports.report(error, "request")
    return told


async def _next_of(chunks: AsyncGenerator[Json]) -> Json | None:
    return await anext(chunks, None)


def _event(value: Json) -> bytes:
    return f"data: {json.dumps(value, separators=(',', ':'))}\n\n".encode()
