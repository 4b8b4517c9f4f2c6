"""How a process ends: what is under way is ended in order, and what it leaves to do is done.

Servers of ours (`common.serving`) go through it, as there is no lifespan. Under another server nothing of it
happens, and what a process held is found later, by sweeps.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Protocol
from weakref import WeakKeyDictionary

from common.errors import Unavailable
from common.logs import get_logger

log = get_logger(__name__)

SECONDS = 5.0
"""How long the end of all that is under way may take."""
_LOOK_SECONDS: Final = 0.05


class ServerStopped(Unavailable):
    """It was under way when its process ended; nothing is wrong."""

    detail = "The server was stopped before it was done: try again."


class Work(Protocol):
    """What goes on beside requests, in one event loop."""

    @property
    def is_busy(self) -> bool:
        """Whether something is under way."""

    async def drain(self) -> None:
        """End it, and return once all of it is stored."""


class _Process:
    """What is known of one event loop; a process that serves has one."""

    def __init__(self) -> None:
        self.stops = self.ends = False
        self.work: dict[Work, None] = {}
        self.under_way: set[asyncio.Timeout] = set()


_processes: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _Process]] = WeakKeyDictionary()


def register(work: Work) -> None:
    """Have this drained before the end."""
    _here().work[work] = None


def forget(work: Work) -> None:
    """There is nothing to drain any more."""
    _here().work.pop(work, None)


def announce() -> None:
    """From now on `stops`."""
    _here().stops = True


def stops() -> bool:
    """Whether this process is about to end, and wants no more to do."""
    return _here().stops


def ends() -> bool:
    """Whether it has begun to end what is under way."""
    return _here().ends


@asynccontextmanager
async def until_the_end() -> AsyncIterator[None]:
    """What is done in it is cancelled when its process ends. It raises ServerStopped then."""
    process, loop = _here(), asyncio.get_running_loop()
    try:
        async with asyncio.timeout_at(loop.time() if process.ends else None) as bound:
            if not process.ends:
                process.under_way.add(bound)
            try:
                yield
            finally:
                process.under_way.discard(bound)
    except TimeoutError:
        if not bound.expired():
            raise
        raise ServerStopped(retry_after=1) from None


async def idle() -> None:
    """Wait until nothing goes on beside requests."""
    while any(work.is_busy for work in _here().work):  # noqa: ASYNC110 - only at the end, and of many kinds
        await asyncio.sleep(_LOOK_SECONDS)


async def drain(seconds: float | None = None) -> None:
    """End what is under way, for at most so many seconds, or SECONDS."""
    process, most = _here(), SECONDS if seconds is None else seconds
    process.stops = process.ends = True
    while process.under_way:
        # Once each: what has begun to end may be at it still when this is called again.
        process.under_way.pop().reschedule(asyncio.get_running_loop().time())
    try:
        async with asyncio.timeout(most):
            await asyncio.gather(*(work.drain() for work in list(process.work)))
    except TimeoutError:
        log.warning("not_drained", seconds=most)


def _here() -> _Process:
    loop = asyncio.get_running_loop()
    found = _processes.get(loop)
    return found if found is not None else _processes.setdefault(loop, _Process())
