"""What runs: the record that `up` writes and that `down`, `mail` and a second `up` read."""

import fcntl
import json
import os
import signal
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Self

import psutil

from infra.local.home import Home, write_private

CLOCK_SLACK = 1.0  # seconds; the kernel rounds start times


@dataclass(frozen=True)
class Process:
    """A process by number and start time (seconds since the epoch): numbers are used again, pairs are not."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """Raises `psutil.NoSuchProcess` where it has ended."""
        return cls(pid, psutil.Process(pid).create_time())

    def alive(self) -> bool:
        """Whether exactly this process still runs (one that ended and was not waited for does not)."""
        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < CLOCK_SLACK
            return same and process.status() != psutil.STATUS_ZOMBIE
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to exactly this process; nothing where it has ended."""
        if self.alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


@dataclass(frozen=True)
class Stack:
    """A running stack: its supervisor, its children by name, and where it answers."""

    supervisor: Process
    url: str
    transport: str
    postgres_port: int | None
    emulator_url: str
    started_at: str
    children: dict[str, Process] = field(default_factory=dict)

    def alive(self) -> bool:
        """Whether its supervisor still runs."""
        return self.supervisor.alive()


def read_stack(home: Home) -> Stack | None:
    """The last record, whether its processes still run or not; none where it is missing or unreadable."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        fields = json.loads(home.stack_file.read_text())
        fields["supervisor"] = Process(**fields["supervisor"])
        fields["children"] = {name: Process(**child) for name, child in fields["children"].items()}
        return Stack(**fields)
    return None


def running_stack(home: Home) -> Stack | None:
    """The stack that runs now; a record left by a killed supervisor does not count."""
    stack = read_stack(home)
    return stack if stack is not None and stack.alive() else None


def write_stack(home: Home, stack: Stack) -> None:
    """Record what runs, over what was recorded."""
    write_private(home.stack_file, asdict(stack))


def forget_stack(home: Home) -> None:
    """Drop the record."""
    home.stack_file.unlink(missing_ok=True)


class AlreadyRunning(Exception):
    """Another supervisor holds this home."""


class HomeLock:
    """Held by a supervisor as long as it lives; the kernel releases it however the process ends."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._descriptor = -1

    def __enter__(self) -> Self:
        self._descriptor = os.open(self._home.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise AlreadyRunning from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)
