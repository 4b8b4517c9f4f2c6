"""Ports of the network on the host, to look inside: `python -m infra.docker.forward pgsql:5432 mailpit:8025`.

Only in the profile `debug`; without it nothing but the gateway can be reached from outside.
"""

import asyncio
import sys
from contextlib import suppress

_CHUNK = 65_536


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while content := await reader.read(_CHUNK):
            writer.write(content)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def listen(target: str, bind: str = "0.0.0.0", port: int = 0) -> asyncio.Server:  # noqa: S104 - a container's own network
    """Take connections on `port`, or on the target's own, for `host:port`."""
    host, _, target_port = target.partition(":")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                there, away = await asyncio.open_connection(host, int(target_port))
                try:
                    await asyncio.gather(_pass_on(reader, away), _pass_on(there, writer))
                finally:
                    away.close()
        finally:
            writer.close()

    return await asyncio.start_server(serve, bind, port or int(target_port))


async def _listen_for_ever(targets: list[str]) -> None:
    servers = [await listen(target) for target in targets]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(_listen_for_ever(sys.argv[1:]))
