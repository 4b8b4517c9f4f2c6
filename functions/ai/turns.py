"""Whose turn it is: so many requests of a process at a time, and the rest wait in a queue that is fair.

The turn goes from account to account. One that asks a hundred times waits behind itself; nobody else does.
"""

import asyncio
import math
from collections import Counter, OrderedDict, deque
from typing import Final
from uuid import UUID
from weakref import WeakKeyDictionary

from common import metrics
from common.errors import Unavailable
from common.settings import IN_LAMBDA, get_settings

_FIRST_GUESS_SECONDS: Final = 5.0
_LONGEST_RETRY_SECONDS: Final = 300
_WEIGHT_OF_THE_NEWEST: Final = 0.2


class AiBusy(Unavailable):
    """The queue is full, or the wait was too long."""

    code = "ai_busy"
    detail = "Too many requests wait for a model: try again shortly."


class Turns:
    """Of one event loop: nothing in it is of two threads."""

    def __init__(self) -> None:
        """Nobody is there."""
        self.running = 0
        self.waiting = 0
        self._of: Counter[UUID] = Counter()
        self._queues: OrderedDict[UUID, deque[asyncio.Future[None]]] = OrderedDict()
        self._not_before: dict[UUID, float] = {}
        self._mean_seconds = _FIRST_GUESS_SECONDS

    async def take(self, owner: UUID, until: float, *, again: bool = False) -> None:
        """A turn, for `give_back`; whoever waits for one at this time of the loop's clock waits in vain.

        Who comes `again`, having had a turn that was of no use, is the first of its account. Raises AiBusy.
        """
        # Who waits, where there is a turn left, is of an account that has all of its own.
        if owner not in self._queues and self._may(owner):
            self._grant(owner)
            return
        self._make_room(owner)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue = self._queues.setdefault(owner, deque())
        (queue.appendleft if again else queue.append)(turn)
        self.waiting += 1
        self._next()
        try:
            async with asyncio.timeout_at(until):
                await turn
        except TimeoutError:
            self._leave(owner, turn)
            raise self._busy(owner) from None
        except BaseException:
            self._leave(owner, turn)
            raise

    def give_back(self, owner: UUID, seconds: float | None = None) -> None:
        """End a turn, which took so many seconds; null where it was of no use, and tells nothing."""
        self.running -= 1
        self._of[owner] -= 1
        if not self._of[owner]:
            del self._of[owner]
        if seconds is not None:
            self._mean_seconds += _WEIGHT_OF_THE_NEWEST * (seconds - self._mean_seconds)
        self._next()

    def defer(self, owner: UUID, seconds: float) -> None:
        """Give this account no turn for so long: it has as many as it may have, in other processes."""
        loop = asyncio.get_running_loop()
        self._not_before[owner] = loop.time() + seconds
        loop.call_later(seconds, self._resume, owner)

    def _resume(self, owner: UUID) -> None:
        if self._not_before.get(owner, math.inf) <= asyncio.get_running_loop().time():
            del self._not_before[owner]
        self._next()

    def _may(self, owner: UUID) -> bool:
        settings = get_settings()
        # Of a Lambda's instances each has one request: the platform says how many there are.
        if not IN_LAMBDA and self.running >= settings.ai_concurrency:
            return False
        return owner not in self._not_before and self._of[owner] < settings.ai_user_concurrency

    def _grant(self, owner: UUID) -> None:
        self.running += 1
        self._of[owner] += 1

    def _next(self) -> None:
        while (owner := next((each for each in self._queues if self._may(each)), None)) is not None:
            turn = self._queues[owner].popleft()
            self._queues.move_to_end(owner)
            self._forget_empty(owner)
            self.waiting -= 1
            # One that is done has left, and is about to find that out.
            if not turn.done():
                self._grant(owner)
                turn.set_result(None)

    def _make_room(self, owner: UUID) -> None:
        """In a full queue, the newest of the account that fills it gives way to who waits for less."""
        if self.waiting < get_settings().ai_queue:
            return
        longest = max(self._queues, key=lambda each: len(self._queues[each]), default=owner)
        if len(self._queues.get(longest, ())) <= len(self._queues.get(owner, ())) + 1:
            raise self._busy(owner)
        turn = self._queues[longest].pop()
        self.waiting -= 1
        if not turn.done():
            turn.set_exception(self._busy(longest))

    def _leave(self, owner: UUID, turn: "asyncio.Future[None]") -> None:
        queue = self._queues.get(owner, ())
        if turn in queue:
            self._queues[owner].remove(turn)
            self.waiting -= 1
            self._forget_empty(owner)
        elif not turn.cancelled() and turn.done() and turn.exception() is None:
            # It came at the very moment.
            self.give_back(owner)

    def _forget_empty(self, owner: UUID) -> None:
        if not self._queues[owner]:
            del self._queues[owner]

    def _busy(self, owner: UUID) -> AiBusy:
        metrics.count(metrics.AI_REFUSALS, reason="busy")
        settings = get_settings()
        ahead = (self.waiting + 1) / settings.ai_concurrency
        own = (len(self._queues.get(owner, ())) + 1) / settings.ai_user_concurrency
        seconds = math.ceil(max(ahead, own) * self._mean_seconds)
        return AiBusy(retry_after=min(_LONGEST_RETRY_SECONDS, max(1, seconds)))


_of_loops: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, Turns]] = WeakKeyDictionary()


def turns() -> Turns:
    """Those of the running loop."""
    return _of_loops.setdefault(asyncio.get_running_loop(), Turns())


def _sum_of(name: str) -> float:
    return float(sum(getattr(each, name) for each in list(_of_loops.values())))


metrics.gauge(metrics.AI_RUNNING, lambda: _sum_of("running"))
metrics.gauge(metrics.AI_WAITING, lambda: _sum_of("waiting"))
