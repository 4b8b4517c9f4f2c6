"""Is this container's process well? `healthcheck.py auth`, or `healthcheck.py --jobs`.

Run with `python -I -S` every few seconds in each container, so it imports next to nothing.
"""

import os
import socket
import sys
import time

PORT = 8000
SECONDS = 3.0
OLDEST_SIGN = 120.0  # seconds; a sweep may keep the loop busy for a while


def answers(function: str, host: str = "127.0.0.1", port: int = PORT) -> bool:
    """Whether the function says of itself that it is ready."""
    request = f"GET /v1/{function}/readyz HTTP/1.0\r\nHost: {host}\r\n\r\n"
    try:
        with socket.create_connection((host, port), SECONDS) as connection:
            connection.sendall(request.encode())
            return connection.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False


def alive() -> bool:
    """Whether the loop of the jobs has given a sign of life lately."""
    try:
        return time.time() - os.stat(os.environ.get("TMPDIR", "/tmp") + "/alive").st_mtime < OLDEST_SIGN  # noqa: PTH116, S108 - pathlib is slow to import
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(0 if (alive() if sys.argv[1] == "--jobs" else answers(sys.argv[1])) else 1)
