"""The child that speaks as Ollama's `/api/chat` does, at a pace: what `ai` and the bench's client ask alike.

python -m infra.bench.paced PORT

The name of the model is the pace: `at-50` says fifty tokens a second, the first of them after FIRST_SECONDS,
and `at-0` as many as the connection takes. `options.num_predict` is how many it says. Each token is a line
and a chunk of its own, written when its time has come by the clock: who is slow to read does not slow it
down. `silent` takes a request and says nothing. `POST /end` has all answers end now, and tells how many
tokens were said since it was asked last; `GET /held` how many requests the silent one has.
"""

import asyncio
import json
import sys
from typing import Any, cast

import uvloop

from infra.local.ports import LOOPBACK

FIRST_SECONDS = 0.02
WORD = "word "
SILENT = "silent"

_AT_ONCE = 50
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
_STRANGE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def _line(value: dict[str, Any]) -> bytes:
    told = {"model": "paced", "created_at": "2026-11-22T10:00:00.123456789Z", **value}
    line = json.dumps(told, separators=(",", ":")).encode() + b"\n"
    return f"{len(line):x}\r\n".encode() + line + b"\r\n"


TOKEN = _line({"message": {"role": "assistant", "content": WORD}, "done": False})


def _last(tokens: int) -> bytes:
    counts = {"prompt_eval_count": 9, "eval_count": tokens, "total_duration": 10**9, "load_duration": 10**6}
    said = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
    durations = {"prompt_eval_duration": 10**7, "eval_duration": 10**9}
    return _line({**said, **counts, **durations}) + b"0\r\n\r\n"


class Room:
    """Who speaks, and how much was said."""

    def __init__(self) -> None:
        """Nobody, and nothing."""
        self.speaking: set[Speaker] = set()
        self.said = 0

    def end(self) -> bytes:
        """Have all of them end; how many tokens were said since the last time, as an answer."""
        for speaker in list(self.speaking):
            speaker.end()
        told, self.said = self.said, 0
        return _number(told)

    def held(self) -> bytes:
        """How many wait for a word, as an answer."""
        return _number(sum(speaker.is_silent for speaker in self.speaking))


def _number(told: int) -> bytes:
    digits = str(told).encode()
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(digits), digits)


class Speaker(asyncio.Protocol):
    """One connection with one request."""

    def __init__(self, room: Room) -> None:
        """Nothing was asked yet."""
        self.is_silent = False
        self._room = room
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._left = self._wanted = 0
        self._pause = self._due = 0.0
        self._is_full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Whoever leaves ends it."""
        self._transport = None
        self._room.speaking.discard(self)

    def pause_writing(self) -> None:
        """The connection takes no more for now."""
        self._is_full = True

    def resume_writing(self) -> None:
        """It does again."""
        self._is_full = False
        if not self._pause and self._wanted:
            self._rush()

    def data_received(self, data: bytes) -> None:
        """Begin once the request is whole."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(body) < int(length or b"0"):
            return
        self._received = b""
        if head.startswith(b"POST /api/chat "):
            self._begin(json.loads(body))
        elif self._transport is not None:
            self._transport.write(self._told(head))
            self._transport.close()

    def _told(self, head: bytes) -> bytes:
        if head.startswith(b"POST /end "):
            return self._room.end()
        return self._room.held() if head.startswith(b"GET /held ") else _STRANGE

    def _begin(self, asked: dict[str, Any]) -> None:
        self._room.speaking.add(self)
        if asked["model"] == SILENT:
            self.is_silent = True
            return
        rate = float(asked["model"].removeprefix("at-"))
        self._wanted = self._left = int(asked["options"]["num_predict"])
        self._pause = 1 / rate if rate else 0.0
        self._due = self._loop.time() + FIRST_SECONDS
        if self._transport is not None:
            self._transport.write(_HEAD)
        self._loop.call_at(self._due, self._speak if self._pause else self._rush)

    def _speak(self) -> None:
        now = self._loop.time()
        while self._left and self._due <= now and self._transport is not None:
            self._say()
            self._due += self._pause
        if self._left and self._transport is not None:
            self._loop.call_at(self._due, self._speak)

    def _rush(self) -> None:
        for _ in range(_AT_ONCE):
            if not self._left or self._is_full or self._transport is None:
                return
            self._say()
        self._loop.call_soon(self._rush)

    def _say(self) -> None:
        if self._transport is None:
            return
        self._transport.write(TOKEN)
        self._left -= 1
        self._room.said += 1
        if not self._left:
            self.end()

    def end(self) -> None:
        """Say no more."""
        if self._transport is not None:
            if self.is_silent:
                self._transport.write(_HEAD)
            self._transport.write(_last(self._wanted - self._left))
            self._transport.close()
        self._left, self._transport = 0, None
        self._room.speaking.discard(self)


async def _serve(port: int) -> None:
    room = Room()
    made = asyncio.get_running_loop().create_server(lambda: Speaker(room), LOOPBACK, port, backlog=512)
    server = await made
    await server.serve_forever()


def main() -> None:
    """Serve until it is killed."""
    uvloop.run(_serve(int(sys.argv[1])))


if __name__ == "__main__":
    main()
