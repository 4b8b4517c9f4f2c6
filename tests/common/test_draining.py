"""How a process ends what is under way; with real processes in tests/functions/ai/test_ending.py."""

import asyncio

import httpx
import pytest

from common import draining
from common.draining import ServerStopped, until_the_end
from functions.users.app import app


class Going:
    """Something beside requests, which ends when it is told to, or never."""

    def __init__(self, *, for_ever: bool = False) -> None:
        self.is_busy, self._for_ever = True, for_ever

    async def drain(self) -> None:
        """As it was made."""
        if self._for_ever:
            await asyncio.Event().wait()
        self.is_busy = False


async def under_way(inside: BaseException | None = None) -> None:
    async with until_the_end():
        if inside is not None:
            raise inside
        await asyncio.Event().wait()


def test_what_is_under_way_is_ended_and_what_begins_later_too() -> None:
    async def run() -> None:
        tasks = [asyncio.create_task(under_way()) for _ in range(3)]
        await asyncio.sleep(0)
        await draining.drain()
        for task in (*tasks, asyncio.create_task(under_way())):
            with pytest.raises(ServerStopped, match="try again"):
                await task

    asyncio.run(run())


def test_what_takes_long_to_end_is_told_once() -> None:
    async def run() -> None:
        go_on = asyncio.Event()

        async def slow() -> None:
            async with until_the_end():
                try:
                    await asyncio.Event().wait()
                finally:
                    await go_on.wait()

        before = asyncio.create_task(slow())
        await asyncio.sleep(0)
        await draining.drain()
        after = asyncio.create_task(slow())
        await asyncio.sleep(0.01)
        await draining.drain()
        go_on.set()
        for task in (before, after):
            with pytest.raises(ServerStopped):
                await task

    asyncio.run(run())


def test_until_then_nothing_else_is_changed() -> None:
    async def run() -> None:
        with pytest.raises(TimeoutError):
            await under_way(TimeoutError())
        task = asyncio.create_task(under_way())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await draining.drain()

    asyncio.run(run())


def test_what_goes_on_is_waited_for_and_ended(capsys: pytest.CaptureFixture[str]) -> None:
    async def run() -> None:
        await draining.idle()
        going = Going()
        draining.register(going)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await draining.idle()
        await draining.drain()
        await draining.idle()
        draining.forget(going)
        assert capsys.readouterr().out == ""
        draining.register(Going(for_ever=True))
        await draining.drain(0.01)

    asyncio.run(run())
    assert "not_drained" in capsys.readouterr().out


def test_a_process_that_stops_says_that_it_is_not_ready() -> None:
    async def run() -> tuple[httpx.Response, httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://backend:8000") as client:
            before = await client.get("/v1/users/readyz")
            draining.announce()
            return before, await client.get("/v1/users/readyz")

    before, after = asyncio.run(run())
    assert (before.status_code, after.status_code) == (200, 503)
    assert after.json()["detail"] == "The server is about to stop."
