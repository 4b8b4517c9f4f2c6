"""The child that has answers streamed to it, in several ways and in turns: bare sockets.

It reads the question

    {"rounds", "seconds", "pause", "model", "own": {"port", "account"},
     "ways": {name: {"port", "watched", "requests": [request, …]}}}

where `requests` are whole HTTP requests, one a stream, and gives of each way, a value a round: milliseconds
to the first token (`first_ms`) and tokens per second of all streams together (`rate`), and of those that are
`watched` what their server used for it. `own_ms` are, unless `own` is null, the statements alone that a chat
of that account sends before its model is asked, from that port's process. Before each there is a `pause`, in
seconds: what was asked before it may still have to be settled.

The rate is that from one token, once the last stream has its first, to the first that comes so many `seconds`
later: an end between two tokens would count one more or less. Then the `model`, a port, is told to end. Where
`seconds` is 0, they end by themselves, and it is that up to the last token.
"""

import asyncio
import http.client
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any, cast

import uvloop

from infra.bench.paced import WORD
from infra.local.ports import LOOPBACK

PATIENCE = 60.0  # seconds for all of a round
AT_ONCE = 8
_TOKEN = f'"content":"{WORD}'.encode()
_END = b"\r\n0\r\n\r\n"
_KEPT = max(len(_TOKEN), len(_END)) - 1

type Found = dict[str, Any]


@dataclass
class Run:
    """All streams of one way, once."""

    number: int
    open: "asyncio.Future[float]"
    ended: "asyncio.Future[float]"
    arrivals: list[tuple[float, int]] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    awaited: "tuple[float, asyncio.Future[float]] | None" = None

    def came(self, moment: float, number: int) -> None:
        """So many tokens at once."""
        self.arrivals.append((moment, number))
        if self.awaited is not None and moment >= self.awaited[0]:
            self.awaited[1].set_result(moment)
            self.awaited = None

    async def arrival(self, moment: float, patience: float) -> float:
        """When the first token from this moment on comes; where none does, the end of the wait for it."""
        comes: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.awaited = (moment, comes)
        await asyncio.wait((comes, self.ended), timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        self.awaited = None
        return comes.result() if comes.done() else time.perf_counter()

    def began(self, moment: float, waited: float) -> None:
        """One more stream has its first token."""
        self.first.append(waited)
        if len(self.first) == self.number and not self.open.done():
            self.open.set_result(moment)

    def ends(self, moment: float, error: str) -> None:
        """One has ended; whatever went wrong with it."""
        if error:
            self.errors[error] += 1
        if not self.ended.done():
            self.ended.set_result(moment)

    def between(self, start: float, end: float) -> int:
        """How many tokens came in that time."""
        return sum(number for moment, number in self.arrivals if start < moment <= end)


class Stream(asyncio.Protocol):
    """One connection with one request."""

    def __init__(self, run: Run, request: bytes) -> None:
        """`ask` begins."""
        loop = asyncio.get_running_loop()
        self.begun: asyncio.Future[None] = loop.create_future()
        self.done: asyncio.Future[None] = loop.create_future()
        self._run, self._request = run, request
        self._transport: asyncio.Transport | None = None
        self._rest, self._status = b"", b""
        self._asked = 0.0
        self._tokens = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def ask(self) -> None:
        """Send the request."""
        self._asked = time.perf_counter()
        if self._transport is not None:
            self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count the tokens in it."""
        now = time.perf_counter()
        self._status = self._status or data[9:12]
        rest = self._rest + data
        # What is kept is shorter than a token: none is counted twice.
        self._rest = rest[-_KEPT:]
        if number := rest.count(_TOKEN):
            self._count(now, number)
        if rest.endswith(_END):
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, if not the one that was wanted."""
        self._finish(f"connection lost: {exc}" if exc else "")

    def _count(self, now: float, number: int) -> None:
        run, before = self._run, self._tokens
        self._tokens += number
        run.came(now, number)
        if not before:
            run.began(now, now - self._asked)
            self.begun.set_result(None)

    def _finish(self, error: str = "") -> None:
        if self.done.done():
            return
        if self._status != b"200":
            error = f"status {self._status.decode()}"
        self._run.ends(time.perf_counter(), error)
        if self._transport is not None:
            self._transport.close()
        self.done.set_result(None)
        if not self.begun.done():
            self.begun.set_result(None)


def ask(port: int, method: str, path: str) -> Any:  # noqa: ANN401 - JSON
    """What a server tells."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=PATIENCE)
    connection.request(method, path)
    found = json.loads(connection.getresponse().read())
    connection.close()
    return found


@dataclass(frozen=True)
class Way:
    """One way to be streamed to."""

    port: int
    watched: bool
    requests: list[str]

    async def connected(self, run: Run) -> list[Stream]:
        """A connection for each request."""
        loop, made = asyncio.get_running_loop(), []
        for request in self.requests:
            stream = Stream(run, request.encode())
            await loop.create_connection(partial(_same, stream), LOOPBACK, self.port)
            made.append(stream)
        return made

    async def look(self, used: list[Found]) -> float:
        """Add what its server has used by now, which takes a moment; the one when it is known."""
        if self.watched:
            used.append(await asyncio.to_thread(ask, self.port, "GET", "/watch"))
        return time.perf_counter()


def _same(stream: Stream) -> Stream:
    return stream


async def _begin(streams: Sequence[Stream]) -> None:
    """Ask, a few at a time: how many can begin at once is not what is measured."""
    waiting: set[asyncio.Future[None]] = set()
    for stream in streams:
        stream.ask()
        waiting.add(stream.begun)
        if len(waiting) >= AT_ONCE:
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)


async def _end(model: int, all_ended: "asyncio.Future[Any]") -> int:
    """Have the model end all; how many tokens it has said."""
    said = 0
    while True:
        said += int(await asyncio.to_thread(ask, model, "POST", "/end"))
        # Where some went wrong, others may be about to begin.
        if (await asyncio.wait((all_ended,), timeout=0.5))[0]:
            return said


async def _window(run: Run, moment: float, seconds: float) -> tuple[float, float]:
    """Between which moments tokens are counted."""
    if seconds:
        opened = await run.arrival(moment, seconds)
        return opened, await run.arrival(opened + seconds, 2 * seconds)
    await run.ended
    return moment, run.arrivals[-1][0] if run.arrivals else moment


async def run_once(way: Way, model: int, seconds: float) -> Found:
    """All streams of one way at once, and what that took."""
    loop = asyncio.get_running_loop()
    run = Run(len(way.requests), loop.create_future(), loop.create_future())
    streams, used = await way.connected(run), list[Found]()
    own, began = time.process_time(), await way.look(used)
    all_ended = asyncio.gather(*(stream.done for stream in streams))
    async with asyncio.timeout(PATIENCE):
        await _begin(streams)
        await asyncio.wait((run.open, run.ended), return_when=asyncio.FIRST_COMPLETED)
        looked_at = await way.look(used) if seconds else time.perf_counter()
        opened, closed = await _window(run, looked_at, seconds)
        looked = await way.look(used)
        said = await _end(model, all_ended)
    if missing := said - run.between(0.0, time.perf_counter()):
        run.errors["tokens are missing"] += missing
    return {
        "first_ms": median(run.first) * 1000 if run.first else 0.0,
        "rate": run.between(opened, closed) / max(1e-6, closed - opened),
        "used": used, "tokens": run.between(looked_at, looked), "errors": run.errors,
        "client_share": (time.process_time() - own) / (time.perf_counter() - began),
    }  # fmt: skip


async def answer(question: Found) -> Found:
    """Each way in each round, another one first each time."""
    own = question["own"]
    found: dict[str, list[Found]] = defaultdict(list)
    own_ms: list[float] = []
    ways = {name: Way(**way) for name, way in question["ways"].items()}
    names = list(ways)
    for number in range(question["rounds"]):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            await asyncio.sleep(question["pause"])
            found[name].append(await run_once(ways[name], question["model"], question["seconds"]))
        if own is not None:
            await asyncio.sleep(question["pause"])
            own_ms.append(await asyncio.to_thread(ask, own["port"], "GET", f"/own/{own['account']}"))
    return {"ways": found, "own_ms": own_ms}


def main() -> None:
    """Answer one question."""
    answers, sys.stdout = sys.stdout, sys.stderr  # slow statements are logged
    json.dump(uvloop.run(answer(json.load(sys.stdin))), answers)


if __name__ == "__main__":
    main()
