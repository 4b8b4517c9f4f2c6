"""`ai` as a container serves it, in a process that was forked for that: see `ending`."""

import os
import socket
from pathlib import Path

import functions.ai.app  # noqa: F401 - so that who is forked from here need not
from common import draining
from common.settings import get_settings
from infra.docker import serve as docker


def serve(
    door: socket.socket, log: Path, patience: float, seconds: float, environment: dict[str, str]
) -> None:
    """Serve there until the end, for which there are so many seconds."""
    with log.open("wb") as written:
        for descriptor in (1, 2):
            os.dup2(written.fileno(), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    get_settings.cache_clear()
    # Nobody else is on their way.
    docker.FAREWELL_SECONDS = docker.GRACE_SECONDS = 0.05  # type: ignore[misc]  # in this process alone
    draining.SECONDS = seconds
    docker.Server(docker.configuration("ai", "127.0.0.1", 0), patience).run(sockets=[door])
