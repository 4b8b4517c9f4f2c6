"""`ai` as a container serves it, on a socket that it is given, with times that it is given: see `ending`."""

import socket
import sys

from common import draining
from infra.docker import serve

if __name__ == "__main__":
    serve.FAREWELL_SECONDS = serve.GRACE_SECONDS = 0.05  # type: ignore[misc]  # nobody else is on their way
    descriptor, patience, draining.SECONDS = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    config = serve.configuration("ai", "127.0.0.1", 0)
    serve.Server(config, patience).run(sockets=[socket.socket(fileno=descriptor)])
