"""One run of a program: started through the launcher, its output kept, ended in bounded time."""

import asyncio
import os
import re
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

LAUNCHER = Path(__file__).with_name("launch.py")
LOG_LIMIT = 5_000_000  # bytes; a longer log of an earlier run is set aside
TAIL = 25  # lines shown of a log when its program has crashed
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Spec:
    """How to run a program.

    `stop` lists signals with the seconds to wait after each; SIGKILL to the whole process group follows.
    `death` is the signal that the kernel sends where the supervisor itself is killed. `account` is the
    (uid, gid) to run as, or None for our own. `ready` takes the process id, and returns when the program can
    be used; it raises TimeoutError when it has waited long enough.
    """

    name: str
    command: Sequence[str]
    environment: dict[str, str]
    log: Path
    ready: Callable[[int], Awaitable[None]] | None = None
    stop: tuple[tuple[signal.Signals, float], ...] = ((signal.SIGTERM, 5.0),)
    death: signal.Signals = signal.SIGKILL
    account: tuple[int, int] | None = None
    descriptors: tuple[int, ...] = ()
    directory: Path | None = None


class ChildFailed(Exception):
    """A program ended badly or never got ready; `tail` is the end of its log."""

    def __init__(self, name: str, reason: str, tail: Sequence[str]) -> None:
        super().__init__(f"{name} {reason}")
        self.name = name
        self.tail = tail


class Run:
    """A process in a group of its own. All calls belong on one event loop."""

    def __init__(
        self, spec: Spec, process: asyncio.subprocess.Process, output: int, say: Callable[[str], None]
    ) -> None:
        """`output` is the descriptor to read from what the process writes; it is closed in the end."""
        self.tail: deque[str] = deque(maxlen=TAIL)
        self._spec = spec
        self._process = process
        self._say = say
        self._group_ended = False
        self._reader = asyncio.create_task(self._read(output), name=f"read {spec.name}")

    @classmethod
    async def begin(cls, spec: Spec, say: Callable[[str], None]) -> Self:
        """Start it; each line that it writes goes to its log and to `say`."""
        uid, gid = spec.account or (0, 0)
        orders = (os.getpid(), int(spec.death), uid, gid)
        # A pipe of our own: asyncio's would make `wait` wait for all who hold it, grandchildren included.
        output, written = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(LAUNCHER), *map(str, orders)),
                *spec.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=written,
                stderr=asyncio.subprocess.STDOUT,
                env=spec.environment,
                cwd=spec.directory,
                pass_fds=spec.descriptors,
                start_new_session=True,
            )
        except BaseException:
            os.close(output)
            raise
        finally:
            os.close(written)
        return cls(spec, process, output, say)

    @property
    def pid(self) -> int:
        """The process id, of the group as well."""
        return self._process.pid

    async def until_ready(self) -> None:
        """Return when it can be used. Raises `ChildFailed` where it ends before, or never is."""
        if self._spec.ready is None:
            return
        ready = asyncio.ensure_future(self._spec.ready(self.pid))
        ended = asyncio.ensure_future(self._process.wait())
        try:
            await asyncio.wait([ready, ended], return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise ChildFailed(self._spec.name, await self.ended(), list(self.tail))
            try:
                ready.result()
            except TimeoutError as error:
                raise ChildFailed(self._spec.name, "did not get ready in time", list(self.tail)) from error
        finally:
            for task in (ready, ended):
                task.cancel()

    async def ended(self) -> str:
        """Wait for its end and the rest of its output; says how it ended."""
        status = await self._process.wait()
        self.kill()
        # A grandchild may hold the pipe open.
        await asyncio.wait([self._reader], timeout=1.0)
        self._reader.cancel()
        if status < 0:
            return f"was ended by {signal.Signals(-status).name}"
        return f"ended with exit code {status}"

    async def end(self) -> None:
        """End it and everything in its process group, politely first."""
        for number, patience in self._spec.stop:
            if self._process.returncode is not None:
                break
            with suppress(ProcessLookupError):
                self._process.send_signal(number)
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._process.wait()), patience)
        self.kill()
        await self.ended()

    async def succeed(self) -> None:
        """Wait for its end. Raises `ChildFailed` where it is a bad one."""
        try:
            how = await self.ended()
        except BaseException:
            self.kill()
            raise
        if self._process.returncode:
            raise ChildFailed(self._spec.name, how, list(self.tail))

    def kill(self) -> None:
        """End the whole process group at once."""
        if self._group_ended:
            return  # its number may be another's by now
        self._group_ended = self._process.returncode is not None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    async def _read(self, output: int) -> None:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        pipe = os.fdopen(output, "rb", buffering=0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
        rest = b""
        try:
            with self._spec.log.open("ab", buffering=0) as log:
                while chunk := await reader.read(65536):
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        self._keep(log.write, line)
                if rest:
                    self._keep(log.write, rest)
        finally:
            transport.close()

    def _keep(self, write: Callable[[bytes], object], raw: bytes) -> None:
        line = raw.decode(errors="replace").rstrip("\r")
        plain = ESCAPES.sub("", line)
        write(plain.encode() + b"\n")
        self.tail.append(plain)
        self._say(line)


async def run_to_end(spec: Spec, say: Callable[[str], None] = lambda _line: None) -> None:
    """Run a program that ends by itself. Raises `ChildFailed`."""
    await (await Run.begin(spec, say)).succeed()


def set_aside(log: Path) -> None:
    """Keep one earlier log where it has grown long."""
    with suppress(FileNotFoundError):
        if log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
