"""Who looks on while a model is pulled, from whatever process: one statement a second for all of them."""

import asyncio
from collections.abc import AsyncGenerator
from functools import partial
from typing import Final
from uuid import UUID
from weakref import WeakKeyDictionary

from common.database import Database, get_database
from common.logs import get_logger
from functions.ai import pulls
from functions.ai.repository import pulls as stored
from functions.ai.schemas.administration import PullRead

log = get_logger(__name__)

LOOK_SECONDS: Final = 1.0
WATCH_SECONDS: Final = 240.0
"""How long one may look on at once; a browser's EventSource comes back by itself."""

type _Queue = asyncio.Queue[PullRead]


class _Watch:
    """Of one event loop. It has a task as long as somebody looks on."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watchers: dict[UUID, set[_Queue]] = {}
        self._last: dict[UUID, PullRead] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, pull_id: UUID, queue: _Queue) -> None:
        self._watchers.setdefault(pull_id, set()).add(queue)
        # What the others were told last, this one may not have read yet.
        self._last.pop(pull_id, None)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._look())

    def drop(self, pull_id: UUID, queue: _Queue) -> None:
        self._watchers[pull_id].discard(queue)
        if not self._watchers[pull_id]:
            del self._watchers[pull_id]
            self._last.pop(pull_id, None)
        if not self._watchers and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                rows = await self._database.read(partial(stored.find_pulls, ids=list(self._watchers)))
            except Exception as error:  # noqa: BLE001 - the database may be back at the next look
                log.warning("ai_pulls_not_read", reason=type(error).__name__)
                continue
            for pull in map(pulls.read, rows):
                if self._last.get(pull.id) != pull:
                    self._last[pull.id] = pull
                    for queue in self._watchers.get(pull.id, ()):
                        queue.put_nowait(pull)


_watches: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _Watch]] = WeakKeyDictionary()


def _watch() -> _Watch:
    loop = asyncio.get_running_loop()
    found = _watches.get(loop)
    return found if found is not None else _watches.setdefault(loop, _Watch(get_database("ai")))


async def changes(now: PullRead, quiet_seconds: float) -> AsyncGenerator[PullRead | None]:
    """How a pull is now, and each time that this changes, up to its end; None where nothing did for a while.

    It ends after WATCH_SECONDS in any case.
    """
    yield now
    queue: _Queue = asyncio.Queue()
    watch, loop = _watch(), asyncio.get_running_loop()
    ends = loop.time() + WATCH_SECONDS
    watch.add(now.id, queue)
    try:
        while now.state in stored.OPEN and (left := ends - loop.time()) > 0:
            try:
                async with asyncio.timeout(min(left, quiet_seconds)):
                    told = await queue.get()
            except TimeoutError:
                yield None
                continue
            if told != now:
                now = told
                yield now
    finally:
        watch.drop(now.id, queue)
