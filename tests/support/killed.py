"""Processes that are killed at a point of their work.

They are forked from one that has imported what they need: to start anew takes longer than what they do.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext

from common.settings import get_settings

_SECONDS = 30
_IMPORTED = ["functions.auth.jobs", "functions.users.jobs", "tests.common.jobs.recording"]
_parents: list[Connection] = []


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED)
    return context


def stop() -> None:
    """Say that the point is reached, and wait there for the end."""
    _parents[0].send("stopped")
    signal.pause()


def kill_where_it_stops(work: Callable[..., None], *arguments: str) -> None:
    """Do `work`, a function of a module, in a process of its own, which is killed when it calls `stop`."""
    reading, writing = _context().Pipe(duplex=False)
    process = _context().Process(target=_run, args=(writing, dict(os.environ), work, arguments))
    process.start()
    writing.close()
    try:
        assert reading.poll(_SECONDS), "it neither stopped nor ended"
        said = reading.recv()
    except EOFError:
        said = "nothing"
    finally:
        process.kill()
        process.join(_SECONDS)
    assert (said, process.exitcode) == ("stopped", -signal.SIGKILL)


def _run(
    parent: Connection, environment: dict[str, str], work: Callable[..., None], arguments: tuple[str, ...]
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    get_settings.cache_clear()
    _parents.append(parent)
    work(*arguments)
