"""Waiting for something outside of this process, which can only be asked again and again."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

INTERVAL = 0.05  # seconds


async def until(condition: Callable[[], bool], patience: float) -> None:
    """Ask in a thread until the answer is yes; TimeoutError after `patience` seconds."""
    async with asyncio.timeout(patience):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - nothing outside tells us when
            await asyncio.sleep(INTERVAL)


async def answers(port: int, patience: float = 60.0) -> None:
    """Return when a server answers HTTP on loopback's port. Raises TimeoutError.

    A connection that waits in the socket's queue is no answer yet: it waits until a server takes it.
    """
    async with asyncio.timeout(patience):
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    writer.write(
                        b"GET /_lambkin/stack.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                    )
                    if (await reader.readline()).startswith(b"HTTP/1.1 200"):
                        return
                finally:
                    writer.close()
            await asyncio.sleep(INTERVAL)
