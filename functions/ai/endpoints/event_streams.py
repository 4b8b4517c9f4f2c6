"""Server-sent events that can be read again: https://html.spec.whatwg.org/multipage/server-sent-events.html."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final
from uuid import UUID

from fastapi import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from functions.ai.endpoints.streams import AT_ONCE
from functions.ai.streaming.events import Told

type Json = dict[str, Any]

_QUIET: Final = b": the model is at work\n\n"
# Milliseconds after which a browser comes back.
_BEGIN: Final = b"retry: 1000\n\n"
_EXAMPLE: Final = (
    'id: 01890a5d-ac96-774b-bcce-b302099a8057:1\nevent: delta\ndata: {"content":"Because"}\n\n'
    'id: 01890a5d-ac96-774b-bcce-b302099a8057:2\nevent: usage\ndata: {"prompt_tokens":26,'
    '"completion_tokens":1,"total_tokens":27}\n\n'
    "id: 01890a5d-ac96-774b-bcce-b302099a8057:3\nevent: done\ndata: "
    '{"message_id":"01890a5d-ac96-774b-bcce-b302099a8057","state":"done","finish_reason":"stop","truncated":false,'
    '"left_out":0,"timings":{"total_ms":2450.9}}\n\n'
)
DESCRIBED: Final[Json] = {
    "description": "Events `message`, `delta`, `reasoning`, `snapshot`, `usage`, and last `done` or"
    " `problem`, each with an id to come back with; or, asked for whole, the message once it has ended.",
    "content": {"text/event-stream": {"schema": {}, "example": _EXAMPLE}},
    "headers": {
        "X-Lambkin-Stream": {
            "description": "`buffered` where the events come together at the end.",
            "schema": {"type": "string", "enum": ["buffered"]},
        }
    },
}


def wants_whole(request: Request, stream: bool | None) -> bool:  # noqa: FBT001 - the member of the body
    """Whether the answer is to come whole."""
    if stream is not None:
        return not stream
    accepted = request.headers.get("accept", "")
    return "application/json" in accepted and "text/event-stream" not in accepted


class MessageEvents(StreamingResponse):
    """The events of one message. Whatever ends it, nobody is taken to listen any more."""

    media_type = "text/event-stream"

    def __init__(self, message_id: UUID, events: AsyncGenerator[list[Told]]) -> None:
        """An empty list of events is sent as a comment."""
        self._events = events
        super().__init__(self._encoded(f"id: {message_id}:"), headers=AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them, until the last or until the client leaves."""
        async with aclosing(self._events):
            await super().__call__(scope, receive, send)

    async def _encoded(self, prefix: str) -> AsyncIterator[bytes]:
        yield _BEGIN
        async for some in self._events:
            yield "".join([_encode(prefix, told) for told in some]).encode() if some else _QUIET


def _encode(prefix: str, told: Told) -> str:
    # ASCII only: no line separator of Unicode's, and nothing that a half-read character could break.
    data = json.dumps(told.data, separators=(",", ":"))
    return f"{prefix}{told.number}\nevent: {told.kind}\ndata: {data}\n\n"
