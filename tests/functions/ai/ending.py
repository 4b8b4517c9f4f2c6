"""Processes of their own that serve `ai` as containers do, and are told to end."""

import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import httpx

from tests.functions.ai import serving
from tests.support.waiting import eventually


@dataclass
class Served:
    """One of them."""

    url: str
    child: ForkServerProcess
    log: Path
    _told: float = field(default=0.0, init=False)

    def tell(self) -> None:
        """Have it end. It listens to nobody new once this returns."""
        self._told = time.monotonic()
        self.send(signal.SIGTERM)
        eventually(self._refuses)

    def send(self, number: signal.Signals) -> None:
        """This signal."""
        os.kill(self.child.pid or 0, number)

    def exit_code(self) -> int | None:
        """How it ended; None where it does not."""
        self.child.join(20)
        return self.child.exitcode

    def ended(self, within: float) -> str:
        """Wait for its end, by that signal. Its log, in which nothing went wrong that nobody foresaw."""
        assert self.exit_code() == -signal.SIGTERM
        took = time.monotonic() - self._told
        assert took < within
        said = self.log.read_text()
        for ugly in ("Traceback", "was destroyed", "never retrieved", "never awaited", "ERROR", '"error"'):
            assert ugly not in said, said
        return said

    def _refuses(self) -> bool:
        try:
            with socket.create_connection((httpx.URL(self.url).host, httpx.URL(self.url).port or 0)):
                return False
        except ConnectionError:
            return True


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    # To start anew takes longer than what they do.
    context.set_forkserver_preload([serving.__name__])
    return context


@contextmanager
def served(
    log: Path, environment: Mapping[str, str], patience: float = 0.0, seconds: float = 5.0
) -> Iterator[Served]:
    """Start one; who asks before it is up waits. It is killed at the end."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        port = listener.getsockname()[1]
        arguments = (listener, log, patience, seconds, {**os.environ, **environment})
        child = _context().Process(target=serving.serve, args=arguments)
        child.start()
    try:
        yield Served(f"http://127.0.0.1:{port}", child, log)
    finally:
        child.kill()
        child.join(10)
