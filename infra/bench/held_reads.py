"""The child that reads while calls of models hang, and while none does, in turns: bare sockets.

It reads the question

    {"rounds", "seconds", "pause", "model",
     "ways": {name: {"read": {"port", "clients"}, "ai", "calls": [request, …]}}}

where `read` is as `infra.bench.load` takes it, and `calls` are whole HTTP requests to the port `ai`, for the
silent model of `infra.bench.paced` at the port `model`. It gives of each way the milliseconds of each read of
all rounds, `quiet` and `hanging`, how many calls the model held in each round (`held`), and `errors` by kind.
Before each turn there is a `pause`, in seconds, in which what has ended is stored. It fails where the model
does not hold all of the calls, or `ai` does not count as many under way.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvloop

from infra.bench import load
from infra.local.ports import LOOPBACK

PATIENCE = 60.0  # seconds until all calls hang, and until all have ended
_RUNNING = "lambkin_ai_running "

type Found = dict[str, Any]
type Call = asyncio.Future[tuple[str, str]]


class NotHanging(Exception):
    """What was to be measured was not so."""


async def exchange(port: int, request: str) -> tuple[str, str]:
    """The status and the body of an answer, once its connection is closed."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    writer.write(request.replace("\r\n", "\r\nConnection: close\r\n", 1).encode())
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    return head[9:12], body


async def told(port: int, method: str, path: str) -> str:
    """The body of the answer to a request without one."""
    return (await exchange(port, f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))[1]


@dataclass
class Way:
    """Whose answers are read, and whose calls hang meanwhile."""

    read: Found
    ai: int
    calls: Sequence[str]
    quiet: list[float] = field(default_factory=list)
    hanging: list[float] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    async def reads(self, seconds: float, latencies: list[float]) -> None:
        """One after the other for so long; what each took is added."""
        tally, clients = await load.connect(self.read, seconds)
        tally.start()
        for client in clients:
            client.ask()
        await asyncio.wait([client.done for client in clients], timeout=seconds + load.DRAIN)
        latencies += [1000 * each for each in tally.latencies]
        self.errors += tally.errors

    async def turn(self, model: int, seconds: float) -> None:
        """Quiet, then while all calls hang."""
        await self.reads(seconds, self.quiet)
        async with self._all_hanging(model):
            await self.reads(seconds, self.hanging)

    @asynccontextmanager
    async def _all_hanging(self, model: int) -> AsyncIterator[None]:
        wanted = len(self.calls)
        calls = [asyncio.ensure_future(exchange(self.ai, request)) for request in self.calls]
        await _until(self.ai, model, wanted, calls)
        yield
        self.held.append(int(await told(model, "GET", "/held")))
        if self.held[-1] != wanted or any(each.done() for each in calls):
            raise NotHanging(f"Of {wanted} calls only {self.held[-1]} hung to the end.")
        await told(model, "POST", "/end")
        async with asyncio.timeout(PATIENCE):
            statuses = [status for status, _ in await asyncio.gather(*calls)]
        self.errors += Counter(f"status {each} of a call that hung" for each in statuses if each != "200")
        await _until(self.ai, model, 0, ())


async def _until(ai: int, model: int, wanted: int, calls: Sequence[Call]) -> None:
    """Wait until the model holds so many, and `ai` has as many under way; none of the calls may end."""
    began = time.monotonic()
    while True:
        held = int(await told(model, "GET", "/held"))
        metrics = (await told(ai, "GET", "/v1/ai/metrics")).splitlines()
        running = sum(int(float(line.split()[-1])) for line in metrics if line.startswith(_RUNNING))
        if held == running == wanted:
            return
        ended = Counter(each.result()[0] for each in calls if each.done())
        if ended or time.monotonic() - began > PATIENCE:
            found = f"the model holds {held}, ai has {running}, ended are {dict(ended)}"
            raise NotHanging(f"{wanted} calls were to hang: {found}.")
        await asyncio.sleep(0.02)


async def answer(question: Found) -> Found:
    """Each way in each round."""
    ways = {name: Way(**way) for name, way in question["ways"].items()}
    for way in ways.values():
        await way.reads(min(0.2, question["seconds"]), [])  # pool connected
    for _ in range(question["rounds"]):
        for way in ways.values():
            await asyncio.sleep(question["pause"])
            await way.turn(question["model"], question["seconds"])
    return {
        name: {"quiet": way.quiet, "hanging": way.hanging, "held": way.held, "errors": way.errors}
        for name, way in ways.items()
    }


def main() -> None:
    """Answer one question."""
    json.dump(uvloop.run(answer(json.load(sys.stdin))), sys.stdout)


if __name__ == "__main__":
    main()
