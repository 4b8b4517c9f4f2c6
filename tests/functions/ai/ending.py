"""Processes of their own that serve `ai` as containers do, and are told to end."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support.waiting import eventually


@dataclass
class Served:
    """One of them."""

    url: str
    child: subprocess.Popen[bytes]
    log: Path
    _told: float = field(default=0.0, init=False)

    def tell(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Have it end. It listens to nobody new once this returns."""
        self._told = time.monotonic()
        self.child.send_signal(number)
        eventually(self._refuses)

    def ended(self, within: float) -> str:
        """Wait for its end, by that signal. Its log, in which nothing went wrong that nobody foresaw."""
        assert self.child.wait(20) == -signal.SIGTERM
        took = time.monotonic() - self._told
        assert took < within
        said = self.log.read_text()
        for ugly in ("Traceback", "destroyed", "never retrieved", "never awaited", "ERROR", "error    "):
            assert ugly not in said, said
        return said

    def _refuses(self) -> bool:
        try:
            with socket.create_connection((httpx.URL(self.url).host, httpx.URL(self.url).port or 0)):
                return False
        except ConnectionError:
            return True


@contextmanager
def served(log: Path, patience: float = 0.0, seconds: float = 5.0, **environment: Any) -> Iterator[Served]:
    """Start one; who asks before it is up waits. It is killed at the end."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener, log.open("wb") as written:
        descriptor, port = listener.fileno(), listener.getsockname()[1]
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.functions.ai.serving", *map(str, (descriptor, patience, seconds))],
            env=os.environ | environment,
            pass_fds=(descriptor,),
            stdout=written,
            stderr=written,
        )
    try:
        yield Served(f"http://127.0.0.1:{port}", child, log)
    finally:
        child.kill()
        child.wait(10)
