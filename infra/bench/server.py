"""The child that serves: uvicorn with one worker, as containers run it.

python -m infra.bench.server MODULE:NAME DESCRIPTOR
"""

import socket
import sys

import uvicorn


def main() -> None:
    """Serve until SIGTERM."""
    application, descriptor = sys.argv[1:3]
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(descriptor))])


if __name__ == "__main__":
    main()
