"""What this process generates, and whom it lets listen: one for each event loop.

A generation is a task of the process, and not of the request that asked for it. One loop, the keeper, stores
what all of them have said since it last did, in one transaction, and sees by the same who should stop; for
those that other processes generate and somebody here listens to, it reads what is new of them all. While
nothing is generated and nobody listens, there is no keeper.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import AsyncExitStack
from typing import Final
from uuid import UUID
from weakref import WeakKeyDictionary

from common import draining, error_reports
from common.context import RequestContext, enter_context
from common.database import get_database
from common.ids import new_id
from common.logs import get_logger, trace
from functions.ai.admission import Admission
from functions.ai.repository import generations as stored
from functions.ai.streaming import keeping, times
from functions.ai.streaming.events import Json, Told, said
from functions.ai.streaming.feed import Feed
from functions.ai.streaming.running import End, Order, Running

log = get_logger(__name__)

FUNCTION: Final = "ai"


class Host:
    """The generations of one event loop."""

    def __init__(self) -> None:
        """Nothing is done yet."""
        self.process_id = new_id()
        self.running: dict[UUID, Running] = {}
        self.mirrors: dict[UUID, Feed] = {}
        self.watched_at = 0.0
        self._news = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    def start(self, order: Order, admission: Admission, leaving: AsyncExitStack) -> Feed:
        """Generate a message whose rows are there."""
        running = Running(order, admission, leaving)
        self.running[order.message_id] = running
        running.start(self._news.set)
        if draining.ends():
            running.ask_to_end("interrupted")
        self._keep()
        return running.feed

    def feed(self, message_id: UUID) -> Feed | None:
        """Of a message that is generated here."""
        running = self.running.get(message_id)
        return running.feed if running else None

    def listeners(self, message_id: UUID) -> int:
        """How many listen here to a message that has not ended."""
        feed = self.feed(message_id) or self.mirrors.get(message_id)
        return feed.listeners if feed else 0

    def mirror(self, message_id: UUID, first: int) -> Feed:
        """Of a message that another process generates; where nobody listens yet, from `first` on."""
        feed = self.mirrors.setdefault(message_id, Feed(message_id, first))
        feed.expect()
        self._keep()
        return feed

    def stop(self, message_id: UUID, end: End = "stopped") -> None:
        """End a message, if it is generated here."""
        if running := self.running.get(message_id):
            running.ask_to_end(end)

    @property
    def is_busy(self) -> bool:
        """Whether something is generated."""
        return bool(self.running)

    async def drain(self) -> None:
        """End all of them, and store that: the process is about to end."""
        for running in self.running.values():
            running.ask_to_end("interrupted")
        while self.running and self._keeper is not None:
            await asyncio.wait((self._keeper,), timeout=times.TICK)

    def _keep(self) -> None:
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._run())

    async def _run(self) -> None:
        # Not in the name of the request that happened to come first.
        enter_context(RequestContext(function=FUNCTION, method="STREAM"))
        draining.register(self)
        try:
            while self.running or self.mirrors:
                await self._pause()
                await self._tick()
        except asyncio.CancelledError:
            # The loop is being closed under us: the last that can be done is to say so.
            for running in self.running.values():
                running.ask_to_end("interrupted")
            while any(not running.is_over for running in self.running.values()):
                await self._news.wait()
                self._news.clear()
            await self._tick()
            raise
        finally:
            draining.forget(self)

    async def _tick(self) -> None:
        try:
            await keeping.tick(self)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next tick is to come: nobody else stores what is said
            log.error("keeper_failed", error=type(error).__name__, trace=trace(error))  # noqa: TRY400 - a message may quote what was said
            error_reports.report(error, "request")

    async def _pause(self) -> None:
        await _within(self._news.wait(), times.TICK)
        self._news.clear()


_hosts: WeakKeyDictionary[asyncio.AbstractEventLoop, Host] = WeakKeyDictionary()


def current_host() -> Host:
    """The one of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hosts:
        _hosts[loop] = Host()
    return _hosts[loop]


async def listen(feed: Feed, number: int) -> AsyncGenerator[list[Told]]:
    """The events after `number`, some at a time, up to the end; an empty list where it is quiet for long.

    Without an end where the next of them are not kept any more.
    """
    with feed.heard() as news:
        while True:
            events = feed.since(number)
            if events is None:
                events = await read_stored(feed.message_id, number)
                if not events and feed.ending is not None:
                    # So long after the end that they are gone.
                    return
            if events:
                yield [said(number + index, event) for index, event in enumerate(events, 1)]
                number += len(events)
            elif feed.ending is not None:
                # A sweep may have ended it below what was heard: how it ended is told in any case.
                yield [told for told in feed.ending if told.number > number] or feed.ending[-1:]
                return
            elif not await _within(news.wait(), times.QUIET):
                yield []
            news.clear()


async def read_stored(message_id: UUID, number: int) -> list[Json]:
    """The events after `number` that are in the database."""
    wanted = {message_id: number + 1}
    parts = await get_database(FUNCTION).read(lambda connection: stored.new_parts(connection, wanted))
    return keeping.events_from(parts, number + 1)


async def _within(work: Awaitable[object], seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        return False
    return True
