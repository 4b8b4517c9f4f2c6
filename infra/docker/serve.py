"""The server of a function's container: `python -m infra.docker.serve auth`.

It stops in three steps, so that a request through the gateway is not lost. It goes on serving for a moment
and ends each connection with its answer, as a gateway that keeps connections must not send the next request
into one that is being closed. Then it accepts no more, and the gateway tries again until the next container
answers. Then it waits for what is under way.
"""

import asyncio
import socket
import sys
from typing import Final

import uvicorn

PORT: Final = 8000
FAREWELL_SECONDS: Final = 1.0
DRAIN_SECONDS: Final = 25
"""Requests that take longer are cancelled; `stop_grace_period` is longer than both together."""
KEEP_ALIVE_SECONDS: Final = 75
"""Longer than the gateway keeps an idle connection: it is always the gateway that closes it."""


class Server(uvicorn.Server):
    """A server that says goodbye before it closes the door."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See the module."""
        state = self.server_state
        # In place of a list that uvicorn renews while it runs, and no longer now.
        state.default_headers = [*state.default_headers, (b"connection", b"close")]
        await asyncio.sleep(FAREWELL_SECONDS)
        await super().shutdown(sockets)


def configuration(function: str, host: str = "0.0.0.0", port: int = PORT) -> uvicorn.Config:  # noqa: S104 - a container's own network
    """How `functions.<function>.app` is served."""
    return uvicorn.Config(
        f"functions.{function}.app:app",
        host=host,
        port=port,
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        # The function itself decides whom it believes: see TRUSTED_PROXIES.
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


def main() -> None:
    """Serve until SIGTERM."""
    Server(configuration(*sys.argv[1:2])).run()


if __name__ == "__main__":
    main()
