"""The server of a function's container: `python -m infra.docker.serve auth`.

It stops in steps, so that no request that was on its way to it is lost. It goes on serving for a moment and
ends each connection with its answer, as a gateway that keeps connections must not send the next request into
one that is being closed. Then it shuts the door behind those who stand in it: the kernel would reset
connections that it has made and nobody has accepted. From then on the gateway is refused, and tries again
until the next container answers. Then the server waits for what is under way.
"""

import asyncio
import os
import socket
import sys
from typing import Any, Final

import uvicorn

from common import draining, serving

PORT: Final = 8000
FAREWELL_SECONDS: Final = 1.0
GRACE_SECONDS: Final = 0.2
"""How long those who came last may take to say what they want."""
DRAIN_SECONDS: Final = 20.0
"""What takes longer is ended; `stop_grace_period` is longer than `LONGEST_SECONDS`."""
LONGEST_SECONDS: Final = FAREWELL_SECONDS + GRACE_SECONDS + serving.longest(DRAIN_SECONDS)
KEEP_ALIVE_SECONDS: Final = 75
"""Longer than the gateway keeps an idle connection: it is always the gateway that closes it."""


class Server(serving.Server):
    """A server that says goodbye before it shuts the door."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See the module."""
        draining.announce()
        state = self.server_state
        # In place of a list that uvicorn renews while it runs, and no longer now.
        state.default_headers = [*state.default_headers, (b"connection", b"close")]
        await asyncio.sleep(FAREWELL_SECONDS)
        await self._shut_the_door()
        await asyncio.sleep(GRACE_SECONDS)
        await super().shutdown(sockets)

    async def _shut_the_door(self) -> None:
        # While we hold a descriptor of its own, the socket listens on, whatever the loop does with its own.
        doors = [
            socket.socket(fileno=os.dup(listener.fileno()))
            for server in self.servers
            for listener in server.sockets
        ]
        for server in self.servers:
            server.close()
        await asyncio.sleep(0)
        for door in doors:
            for connection in _last_in(door):
                await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.Protocol:
        kind: type[Any] = self.config.http_protocol_class
        made: asyncio.Protocol = kind(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


def _last_in(door: socket.socket) -> list[socket.socket]:
    """Accept all who wait, and close the door as soon as there is nobody more."""
    found = []
    door.setblocking(False)
    with door:
        while True:
            try:
                found.append(door.accept()[0])
            except BlockingIOError:
                return found


def configuration(function: str, host: str, port: int) -> uvicorn.Config:
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
    )


def main() -> None:
    """Serve until SIGTERM: the function, and outside of a container, a host and a port."""
    function, *where = sys.argv[1:]
    host, port = where or ("0.0.0.0", str(PORT))  # noqa: S104 - a container's own network
    Server(configuration(function, host, int(port)), DRAIN_SECONDS).run()


if __name__ == "__main__":
    main()
