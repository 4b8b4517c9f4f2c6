"""One child process: started with nothing of ours, asked with a deadline, killed with all that it started."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self, cast

from functions.files.imaging.protocol import MAX_LINE

_START_SECONDS: Final = 30.0
_MODULE: Final = "functions.files.imaging.worker"
# The first byte of a reply: whether its child takes another job.
REUSABLE: Final = b"+"
LAST: Final = b"-"
# What an interpreter needs to start, as far as its place on this machine asks for it.
_KEPT: Final = ("LD_LIBRARY_PATH", "PYTHONHOME")


class Late(Exception):
    """The child did not answer in time."""


class Died(Exception):
    """The child ended, or broke the protocol; `by` is the signal that ended it, None where none did."""

    def __init__(self, by: signal.Signals | None) -> None:
        super().__init__()
        self.by = by


@dataclass(frozen=True, slots=True)
class Reply:
    """What a child answered, and whether it takes another job."""

    line: bytes
    reusable: bool


class Child:
    """One child. Not thread-safe."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        # Both are pipes: `start` asked for them.
        self._input = cast("IO[bytes]", process.stdin)
        self._output = cast("IO[bytes]", process.stdout)
        self._ready = False
        self.jobs = 0

    @classmethod
    def start(cls) -> Self:
        """Start one; it imports what it needs while its parent goes on. Raises OSError."""
        options = ["-P", "-s", *(["-S"] if sys.flags.no_site else [])]
        # Its own session: whatever it may have started is killed with it. Its standard error stays ours
        # until it has started, so that the log says why it did not.
        process = subprocess.Popen(  # noqa: S603 - our own module, by our own interpreter
            [sys.executable, *options, "-m", _MODULE],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            env=_environment(),
            start_new_session=True,
        )
        return cls(process)

    @property
    def pid(self) -> int:
        """Its process id, which is that of its group too."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def wait_until_ready(self) -> bool:
        """Whether it has started, within half a minute."""
        if not self._ready:
            try:
                self._ready = self._read(time.monotonic() + _START_SECONDS).startswith(REUSABLE)
            except (Late, Died):
                return False
        return self._ready

    def ask(self, line: bytes, seconds: float) -> Reply:
        """Its answer to a line. Raises Late, Died."""
        self.jobs += 1
        deadline = time.monotonic() + seconds
        try:
            os.write(self._input.fileno(), line)
        except OSError:
            raise self._died() from None
        reply = self._read(deadline)
        return Reply(reply[1:], reusable=reply.startswith(REUSABLE))

    def kill(self) -> None:
        """End it and all of its group, whatever they do, and wait for the end."""
        # Once it has been waited for, its number may be another's.
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._input.close()
        self._output.close()

    def _read(self, deadline: float) -> bytes:
        """One line without its end."""
        output = self._output.fileno()
        waiting = select.poll()
        waiting.register(output, select.POLLIN)
        held = bytearray()
        while not held.endswith(b"\n"):
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not waiting.poll(remaining * 1000):
                raise Late
            received = os.read(output, MAX_LINE)
            if not received or len(held) + len(received) > MAX_LINE:
                raise self._died(by_itself=not received)
            held += received
        return bytes(held[:-1])

    def _died(self, *, by_itself: bool = True) -> Died:
        if not by_itself:
            return Died(None)
        try:
            status = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return Died(None)
        return Died(signal.Signals(-status) if -status in set(signal.Signals) else None)


def _environment() -> dict[str, str]:
    """Where our code is, and nothing that its parent was told."""
    folders = [str(Path(folder or ".").resolve()) for folder in sys.path]
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {
        "PYTHONPATH": os.pathsep.join(folders),
        "PYTHONDONTWRITEBYTECODE": "1",
        # An arena for every thread of a decoder would be 64 MiB of the address space each.
        "MALLOC_ARENA_MAX": "2",
    }
