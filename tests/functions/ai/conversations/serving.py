"""`ai` as a container serves it, on a port of its own, which it says."""

import socket
import sys

from infra.docker import serve

if __name__ == "__main__":
    serve.FAREWELL_SECONDS = serve.GRACE_SECONDS = 0.05  # type: ignore[misc]  # nobody else is on their way
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        config = serve.configuration("ai", "127.0.0.1", port)
        config.timeout_graceful_shutdown = 1
        sys.stdout.write(f"http://127.0.0.1:{port}\n")
        sys.stdout.flush()
        serve.Server(config).run(sockets=[door])
