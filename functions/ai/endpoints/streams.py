"""Server-sent events as OpenAI's clients read them, and requests whose client may leave.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing
from typing import Any, Final

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from common import draining, error_reports
from common.errors import AppError
from common.logs import get_logger, trace
from common.problems import from_exception, problem
from functions.ai.openai_errors import openai_error

log = get_logger(__name__)

type Json = dict[str, Any]

PATIENCE_SECONDS = 10.0
"""How long the answer waits for a first event, to be able to say by its status what went wrong."""
QUIET_SECONDS = 10.0
"""After so long without an event a comment is sent, or proxies would take the connection for dead."""

MOST_READY: Final = 64
"""So many events may be ready before the model is read no further: its client is slower than it is."""

STALLED_SECONDS = 60.0
"""A client that takes nothing of it for so long occupies no model any longer."""

AT_ONCE: Final = {"X-Accel-Buffering": "no", "Cache-Control": "no-store, no-transform"}
"""What is read as it comes: nginx collects none of it, and who compresses (Next.js does) leaves it alone."""

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
    "content": {"text/event-stream": {"schema": {}, "example": _EXAMPLE}},
    "headers": {
        "X-Lambkin-Stream": {
            "description": "`buffered` where the events come together at the end.",
            "schema": {"type": "string", "enum": ["buffered"]},
        }
    },
}


class ClientTooSlow(AppError):
    """Its client does not read what the model says."""

    status = 408
    code = "client_too_slow"
    detail = (
        "You took nothing of the answer for so long that it was ended: ask again, and read it as it comes."
    )


async def while_connected[T](request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives. Where the client leaves before that, or this process ends, it is cancelled.

    Raises ClientDisconnect, ServerStopped, and what `work` raises.
    """
    working = asyncio.ensure_future(_until_the_end(work))
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


async def _until_the_end[T](work: Coroutine[Any, Any, T]) -> T:
    async with draining.until_the_end():
        return await work


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class EventStream(StreamingResponse):
    """Chunks as events. It owns what it sends: whatever ends it, the chunks are closed with it.

    What is ready at once is sent at once: where the model says more than the process can send one by one,
    several events share a write, and none waits for another. It has two tasks from its beginning to its end,
    one that reads the chunks and one that waits for the client to leave: others, for each part of the way,
    would come before the first token.
    """

    media_type = "text/event-stream"

    def __init__(self, chunks: AsyncGenerator[Json], request: Request) -> None:
        """`first` must have returned before it is sent."""
        self._chunks = chunks
        self._ready: deque[bytes] = deque()
        self._news, self._room = asyncio.Event(), asyncio.Event()
        # A task, as the wait for a chunk may be interrupted, and the chunk may not.
        self._reading = asyncio.ensure_future(self._read())
        self._leaving = asyncio.ensure_future(_left(request))
        for task in (self._reading, self._leaving):
            task.add_done_callback(lambda _: self._news.set())
        super().__init__(self._events(), headers=AT_ONCE)

    async def first(self) -> None:
        """Wait for the first chunk, at most PATIENCE_SECONDS.

        Raises ClientDisconnect, ServerStopped, and what the chunks raise before it.
        """
        try:
            await self._comes(PATIENCE_SECONDS)
            if self._reading.done() and not self._ready:
                self._reading.result()
        except BaseException:
            await self._close()
            raise
        if self._leaving.done():
            await self._close()
            raise ClientDisconnect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI has it
        """Send it, until it ends or its client leaves."""
        try:
            await self.stream_response(send)
        finally:
            await self._close()

    async def _read(self) -> None:
        # Closed here, as a client that does not read keeps the rest waiting.
        async with draining.until_the_end(), aclosing(self._chunks):
            async for chunk in self._chunks:
                self._ready.append(_event(chunk))
                self._news.set()
                if len(self._ready) >= MOST_READY:
                    await self._until_taken()

    async def _until_taken(self) -> None:
        self._room.clear()
        try:
            async with asyncio.timeout(STALLED_SECONDS):
                await self._room.wait()
        except TimeoutError:
            raise ClientTooSlow from None

    async def _comes(self, seconds: float) -> bool:
        """Whether there is something new within this time: events, or their end."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    async def _close(self) -> None:
        for task in (self._reading, self._leaving):
            task.cancel()
        await asyncio.gather(self._reading, self._leaving, return_exceptions=True)
        await self._chunks.aclose()

    def _take(self) -> bytes:
        """All that is ready; what comes while it is sent is news, and so is the end."""
        if not (self._reading.done() or self._leaving.done()):
            self._news.clear()
        taken = b"".join(self._ready)
        self._ready.clear()
        self._room.set()
        return taken

    async def _events(self) -> AsyncIterator[bytes]:
        seconds = 0.0
        try:
            while self._ready or not self._reading.done():
                if self._leaving.done():
                    return
                if not await self._comes(seconds):
                    yield _COMMENT
                elif taken := self._take():
                    yield taken
                seconds = QUIET_SECONDS
            self._reading.result()
            yield _DONE
        except Exception as error:  # noqa: BLE001 - whatever it is, the status is sent: an event tells it
            yield _event(openai_error(problem(_told(error))))


def _told(error: Exception) -> AppError:
    told = from_exception(error)
    if told is error:
        log.warning("stream_failed", problem=told.code)
    else:
        # No message of it: it may quote what was said.
        log.error("stream_failed", problem=told.code, error=type(error).__name__, trace=trace(error))
        error_reports.report(error, "request")
    return told


def _event(value: Json) -> bytes:
    return f"data: {json.dumps(value, separators=(',', ':'))}\n\n".encode()
