"""Processes of their own that serve `ai`, on sockets that we hold open."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Process:
    """One of them."""

    url: str
    child: subprocess.Popen[bytes]

    def kill(self) -> None:
        """SIGKILL."""
        self.child.kill()
        assert self.child.wait(10) == -9


@contextmanager
def serving(**environment: Any) -> Iterator[Process]:
    """Start one; who asks before it is up waits. It is killed at the end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        descriptor = listener.fileno()
        arguments = [sys.executable, "-m", "uvicorn", "functions.ai.app:app", "--fd", str(descriptor)]
        child = subprocess.Popen(
            [*arguments, "--lifespan", "off", "--log-level", "error", "--no-access-log"],
            env=os.environ | environment,
            pass_fds=(descriptor,),
            stdout=subprocess.DEVNULL,
        )
        try:
            yield Process(f"http://127.0.0.1:{listener.getsockname()[1]}", child)
        finally:
            child.kill()
            child.wait(10)
