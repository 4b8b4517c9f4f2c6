"""What a process still has to do before it ends, besides the requests that are under way.

Servers of ours await `drain` once their requests have ended, as there is no lifespan. Under another server,
what is registered here does not happen.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from common.logs import get_logger

log = get_logger(__name__)

SECONDS: Final = 5.0

type Work = Callable[[], Awaitable[None]]

_registered: dict[Work, asyncio.AbstractEventLoop] = {}


def register(work: Work) -> None:
    """Have `work` done before the end, in this event loop."""
    _registered[work] = asyncio.get_running_loop()


def forget(work: Work) -> None:
    """There is nothing to do any more."""
    _registered.pop(work, None)


async def drain() -> None:
    """Do what is registered of this event loop, for at most SECONDS."""
    here = asyncio.get_running_loop()
    wanted = [work() for work, loop in _registered.items() if loop is here]
    try:
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*wanted)
    except TimeoutError:
        log.warning("not_drained", seconds=SECONDS)
