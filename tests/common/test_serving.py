"""What a server does at its end with what goes on beside requests."""

import asyncio

import pytest
import uvicorn

from common import draining
from common.serving import Server
from functions.users.app import app

LONG = 10


class Going:
    """Something that is over once it was looked at so many times."""

    def __init__(self) -> None:
        self.looks = 0
        self.drained_after: int | None = None

    @property
    def is_busy(self) -> bool:
        self.looks += 1
        return self.looks < LONG

    async def drain(self) -> None:
        self.drained_after = self.looks
        draining.forget(self)


def _served(patience: float) -> Going:
    going = Going()

    async def serve() -> None:
        draining.register(going)
        server = Server(uvicorn.Config(app, port=0, lifespan="off", log_level="warning"), patience)
        server.should_exit = True
        await server.serve()

    asyncio.run(serve())
    return going


@pytest.mark.parametrize(("patience", "is_over"), [(0.0, False), (20.0, True)])
def test_it_goes_on_for_a_while_and_is_drained_then(patience: float, *, is_over: bool) -> None:
    going = _served(patience)
    assert going.drained_after is not None
    assert (going.drained_after == LONG) is is_over
