"""An application in a function's place, to see the gateway with answers that functions seldom give."""

import asyncio
import threading
from typing import Any, Final

from starlette.types import Receive, Scope, Send

STREAM: Final = [(b"content-type", b"text/event-stream")]


class StandIn:
    """`/v1/auth/stream` sends one event, and the next when the test says so; others below."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.gone = threading.Event()
        self.seen: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the path's last part says."""
        self.seen.append(scope)
        answer: Any = getattr(self, "_" + scope["path"].rsplit("/", 1)[-1], self._echo)
        await answer(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": STREAM})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await asyncio.to_thread(self.go_on.wait, 10)
        await send({"type": "http.response.body", "body": b"data: 2\n\n"})

    async def _endless(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": STREAM})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        self.gone.set()

    async def _broken(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"100")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        raise ConnectionError("in the middle")

    async def _echo(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = 0
        while True:
            message = await receive()
            size += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(size).encode()})
