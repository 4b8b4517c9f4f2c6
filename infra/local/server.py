"""The child that serves: uvicorn over the gateway, on sockets that the supervisor holds open.

python -m infra.local.server DESCRIPTOR[,DESCRIPTOR] TRANSPORT
"""

import asyncio
import os
import socket
import sys
from typing import Any
from urllib.parse import urlsplit

import uvicorn

from common import serving
from infra.local import discovery
from infra.local.demo import read_demo
from infra.local.environment import ollama_advice
from infra.local.gateway import LOCAL_HOSTS, Gateway, load
from infra.local.home import Home
from infra.local.importing import Broken
from infra.local.mail import Mailbox
from infra.local.pages import Pages

GRACE = 0.1  # seconds
DRAIN = 3.0  # seconds for what is under way when the server restarts
LONGEST = GRACE + serving.longest(DRAIN)  # seconds to its end, whatever hangs


class Server(serving.Server):
    """A server that loses no connection when it makes way for its successor."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing more, give clients that are connected already the time to ask, then end."""
        for listener in self.servers:
            listener.close()
        await asyncio.sleep(GRACE)
        await super().shutdown(sockets)


def main() -> None:
    """Serve until SIGTERM."""
    descriptors, transport = sys.argv[1:3]
    home = Home.find()
    functions = load(discovery.functions(), transport)
    for name, function in functions.items():
        if isinstance(function, Broken):
            print(f"[error    ] the function {name} cannot be imported\n{function.trace}", flush=True)

    def stack() -> dict[str, Any]:
        """What the start page shows beside the functions' own health."""
        demo = read_demo(home)
        return {
            "pid": os.getpid(),
            "functions": sorted(functions),
            "broken": gateway.broken(),
            "transport": transport,
            "demo": [{"role": account.role, "email": account.email} for account in demo.accounts]
            if demo
            else [],
            "ollama_advice": ollama_advice(),
            "mail_kept": os.environ.get("LAMBKIN_KEEPS_MAIL") == "1",
        }

    hosts = (*LOCAL_HOSTS, urlsplit(os.environ["PUBLIC_URL"]).hostname or "localhost")
    gateway = Gateway(functions, Pages(Mailbox(home.mail), stack), tuple(dict.fromkeys(hosts)))
    config = uvicorn.Config(
        gateway,
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
    )
    sockets = [socket.socket(fileno=int(descriptor)) for descriptor in descriptors.split(",")]
    Server(config, DRAIN).run(sockets=sockets)


if __name__ == "__main__":
    main()
