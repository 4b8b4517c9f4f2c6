"""The child that asks: keep-alive connections, each with one request under way, over bare sockets.

It reads the question

    {"port", "seconds", "clients": [{"request", "token"}, …], "beside": {"port", "clients"}}

where `request` is a whole HTTP request, and answers with completed requests per second, p50 and p99 in
milliseconds, errors by kind, the share of a processor that it used itself, and each client's last token;
`beside`, if any, is asked at the same time and counted apart, under `beside` in the answer.
Where `token` is set, `{token}` in the body of the request is replaced by it, and each answer's
`refresh_token` is the next.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from functools import partial
from typing import Any, cast

import uvloop

from infra.bench.figures import percentile
from infra.local.ports import LOOPBACK

DRAIN = 20.0  # seconds for the last answers
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length: "
_TOKEN = b'"refresh_token":"'
_SUCCESS = b"2"


class Tally:
    """What all clients of one run have counted."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.until = 0.0
        self.in_time = 0
        self.last_at = 0.0
        self.latencies: list[float] = []
        self.errors: Counter[str] = Counter()

    def start(self) -> None:
        """From now on requests count."""
        self.until = time.perf_counter() + self.seconds

    def count(self, moment: float, latency: float) -> None:
        """An answer is complete."""
        self.latencies.append(latency)
        if moment <= self.until:
            self.in_time += 1
            self.last_at = moment

    def rate(self) -> float:
        """Answers per second up to the last that was in time: of long requests few fit into a run."""
        seconds = self.last_at - (self.until - self.seconds)
        return self.in_time / seconds if self.in_time else 0.0


class Client(asyncio.Protocol):
    """One connection; `done` is set once its last answer is in, or it broke."""

    def __init__(self, tally: Tally, request: str, token: str) -> None:
        self.token = token
        self._tally = tally
        self._template = request
        self._request = self._render()
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._sent_at = 0.0
        self._ended = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; `ask` begins."""
        self._transport = cast("asyncio.Transport", transport)

    def ask(self) -> None:
        """Send the request, unless the time is over."""
        self._sent_at = time.perf_counter()
        if self._sent_at >= self._tally.until or self._transport is None:
            self._finish()
        else:
            self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count an answer when all of it is here, and ask again."""
        self._received += data
        head_end = self._received.find(_END_OF_HEAD)
        if head_end < 0:
            return
        length = self._length(head_end)
        if length is None:
            self._finish("no content-length")
            return
        end = head_end + len(_END_OF_HEAD) + length
        if len(self._received) < end:
            return
        answer, self._received = self._received[:end], self._received[end:]
        self._count(answer)
        self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """A connection that the server closes is an error: it was to be kept alive."""
        self._finish(f"connection lost: {exc}" if exc else "connection closed")

    def _length(self, head_end: int) -> int | None:
        start = self._received.find(_LENGTH, 0, head_end)
        if start < 0:
            return None
        start += len(_LENGTH)
        return int(self._received[start : self._received.find(b"\r\n", start)])

    def _count(self, answer: bytes) -> None:
        now = time.perf_counter()
        self._tally.count(now, now - self._sent_at)
        if answer[9:10] != _SUCCESS:
            self._tally.errors[f"status {answer[9:12].decode()}"] += 1
        elif self.token:
            start = answer.index(_TOKEN) + len(_TOKEN)
            self.token = answer[start : answer.index(b'"', start)].decode()
            self._request = self._render()

    def _render(self) -> bytes:
        request = self._template.replace("{token}", self.token) if self.token else self._template
        return request.encode()

    def _finish(self, error: str = "") -> None:
        if self._ended:
            return
        self._ended = True
        if error:
            self._tally.errors[error] += 1
        if self._transport is not None:
            self._transport.close()
        self.done.set_result(None)


async def connect(asked: dict[str, Any], seconds: float) -> tuple[Tally, list[Client]]:
    """The clients of one server, connected."""
    loop = asyncio.get_running_loop()
    tally = Tally(seconds)
    clients: list[Client] = []
    for each in asked["clients"]:
        _, client = await loop.create_connection(
            partial(Client, tally, each["request"], each["token"]), LOOPBACK, asked["port"]
        )
        clients.append(client)
    return tally, clients


def found(tally: Tally, clients: list[Client]) -> dict[str, Any]:
    """What the clients of one server have seen."""
    late = sum(not client.done.done() for client in clients)
    if late:
        tally.errors["no answer"] += late
    return {
        "requests_per_second": tally.rate(),
        "p50_ms": percentile(tally.latencies, 0.5) * 1000,
        "p99_ms": percentile(tally.latencies, 0.99) * 1000,
        "errors": dict(tally.errors),
        "tokens": [client.token for client in clients],
    }


async def run(question: dict[str, Any]) -> dict[str, Any]:
    """One run of all clients."""
    seconds = question["seconds"]
    asked = [each for each in (question.get("beside"), question) if each]
    groups = [await connect(each, seconds) for each in asked]
    own = time.process_time()
    for tally, clients in groups:
        tally.start()
        for client in clients:
            client.ask()
    done = [client.done for _, clients in groups for client in clients]
    await asyncio.wait(done, timeout=seconds + DRAIN)
    own = time.process_time() - own
    *beside, counted = (found(*group) for group in groups)
    return counted | {"client_share": own / seconds, "beside": beside[0] if beside else None}


def main() -> None:
    """Answer one question."""
    json.dump(uvloop.run(run(json.load(sys.stdin))), sys.stdout)


if __name__ == "__main__":
    main()
