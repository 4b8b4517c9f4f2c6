"""The child that serves: uvicorn over the gateway, on sockets that the supervisor holds open.

python -m infra.local.server DESCRIPTOR[,DESCRIPTOR] TRANSPORT
"""

import os
import socket
import sys
from typing import Any
from urllib.parse import urlsplit

import uvicorn

from infra.local import discovery
from infra.local.demo import read_demo
from infra.local.environment import ollama_advice
from infra.local.gateway import LOCAL_HOSTS, Broken, Gateway, load
from infra.local.home import Home
from infra.local.mail import Mailbox
from infra.local.pages import Pages

DRAIN = 3  # seconds for requests that are under way when the server restarts


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
            "functions": sorted(functions),
            "broken": {name: app.reason for name, app in functions.items() if isinstance(app, Broken)},
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
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN,
    )
    sockets = [socket.socket(fileno=int(descriptor)) for descriptor in descriptors.split(",")]
    uvicorn.Server(config).run(sockets=sockets)


if __name__ == "__main__":
    main()
