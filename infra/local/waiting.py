"""Waiting for something outside of this process, which can only be asked again and again."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

INTERVAL = 0.05  # seconds
REQUEST = b"GET /_lambkin/stack.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def until(condition: Callable[[], bool], patience: float) -> None:
    """Ask in a thread until the answer is yes; TimeoutError after `patience` seconds."""
    async with asyncio.timeout(patience):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - nothing outside tells us when
            await asyncio.sleep(INTERVAL)


async def served_by(port: int, pid: int, patience: float = 60.0) -> None:
    """Return when the gateway in process `pid` answers on loopback's port. Raises TimeoutError.

    Its predecessor may still answer there; and a connection that waits in the socket's queue is no answer.
    """
    async with asyncio.timeout(patience):
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    writer.write(REQUEST)
                    answer = await reader.read()
                finally:
                    writer.close()
                if f'"pid": {pid},'.encode() in answer:
                    return
            await asyncio.sleep(INTERVAL)
