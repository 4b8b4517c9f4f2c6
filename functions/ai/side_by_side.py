"""Several things that are made at the same time."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any


async def all_of[T](works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """What each of them gives. What goes wrong with one of them ends the others, and is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        await _end(tasks)


@dataclass(frozen=True, slots=True)
class _Item[T]:
    index: int
    value: T | None = None
    error: Exception | None = None
    is_end: bool = False


async def merged[T](sources: Sequence[AsyncGenerator[T]]) -> AsyncGenerator[tuple[int, T]]:
    """What they give as it comes, each with the index of its source; closing it closes all of them.

    What goes wrong with one of them ends the others, and is raised.
    """
    if len(sources) == 1:
        async with aclosing(sources[0]) as only:
            async for value in only:
                yield 0, value
        return
    # As long as there are sources: who is not listened to does not go on.
    queue: asyncio.Queue[_Item[T]] = asyncio.Queue(len(sources))

    async def pass_on(index: int, source: AsyncGenerator[T]) -> None:
        error = None
        try:
            async with aclosing(source):
                async for value in source:
                    await queue.put(_Item(index, value))
        except Exception as raised:  # noqa: BLE001 - it is raised where somebody listens
            error = raised
        await queue.put(_Item(index, error=error, is_end=True))

    tasks = [asyncio.ensure_future(pass_on(*each)) for each in enumerate(sources)]
    try:
        missing = len(sources)
        while missing:
            item = await queue.get()
            if item.error is not None:
                raise item.error
            if item.is_end:
                missing -= 1
            elif item.value is not None:
                yield item.index, item.value
    finally:
        await _end(tasks)


async def _end(tasks: Sequence[asyncio.Future[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
