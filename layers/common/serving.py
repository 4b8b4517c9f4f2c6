"""The server of all that is ours: uvicorn, which is not of the layer, with an end that loses nothing.

At SIGTERM nothing new is accepted, and what is under way goes on for `patience` seconds. What is left then is
ended in order, see `common.draining`: streams tell their clients so, and what it cost and said is stored.
Connections that stay for no reason of ours, such as clients that do not read, are closed. uvicorn's own
timeout comes last: it cancels, and logs each as an error.

A second SIGTERM changes nothing. A process that SIGTERM has ended says so by its status, -15, which is 143
in shells and containers.
"""

import asyncio
import socket
from math import ceil
from typing import Any, Final

import uvicorn

from common import draining

FAREWELL_SECONDS: Final = 0.5
"""How long last words may take to reach who reads them, and then what closed connections leave to do."""


def longest(patience: float) -> float:
    """How many seconds an end may take with this patience, whatever hangs."""
    return patience + draining.SECONDS + 3 * FAREWELL_SECONDS + 1


class Server(uvicorn.Server):
    """One that ends in order."""

    def __init__(self, config: uvicorn.Config, patience: float) -> None:
        """What is under way has `patience` seconds."""
        super().__init__(config)
        self._patience = patience
        config.timeout_graceful_shutdown = ceil(patience + draining.SECONDS + 2 * FAREWELL_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See the module."""
        draining.announce()
        requests = asyncio.ensure_future(super().shutdown(sockets))
        idle = asyncio.ensure_future(draining.idle())
        await asyncio.wait((requests, idle), timeout=self._patience)
        idle.cancel()
        await draining.drain()
        await asyncio.wait((requests,), timeout=FAREWELL_SECONDS)
        connections: set[Any] = self.server_state.connections
        for connection in list(connections):
            connection.transport.abort()
        await requests
        await draining.drain(FAREWELL_SECONDS)
