"""One process of the stack: started, watched, logged, restarted when it crashes, stopped in bounded time."""

import asyncio
import os
import re
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.state import Process

LAUNCHER = Path(__file__).with_name("launch.py")
BACKOFF = (0.2, 0.5, 1.0, 2.0, 4.0)  # seconds before each restart; after the last the child stays down
SETTLED = 30.0  # seconds of running after which earlier crashes are forgotten
LOG_LIMIT = 5_000_000  # bytes; a longer log of an earlier run is set aside
TAIL = 25  # lines shown of a log when its child has crashed
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Spec:
    """How to run a child.

    `stop` lists signals with the seconds to wait after each; SIGKILL to the whole process group follows.
    `death` is the signal that the kernel sends where the supervisor itself is killed. `account` is the
    (uid, gid) to run as, or None for our own. `ready` returns when the child can be used, or raises.
    """

    name: str
    command: Callable[[], Sequence[str]]
    environment: dict[str, str]
    log: Path
    ready: Callable[[], Awaitable[None]] | None = None
    stop: tuple[tuple[signal.Signals, float], ...] = ((signal.SIGTERM, 5.0),)
    death: signal.Signals = signal.SIGKILL
    account: tuple[int, int] | None = None
    descriptors: tuple[int, ...] = ()
    directory: Path | None = None


@dataclass
class Report:
    """What a child tells the terminal: each line, and each crash with what follows from it."""

    line: Callable[[str, str], None]
    crashed: Callable[[str, str, Sequence[str]], None]
    recovered: Callable[[str], None]
    started: Callable[[str, Process], None] = field(default=lambda _name, _process: None)


class ChildFailed(Exception):
    """A child ended before it was ready; `tail` is the end of its log."""

    def __init__(self, name: str, reason: str, tail: Sequence[str]) -> None:
        super().__init__(f"{name} {reason}")
        self.name = name
        self.tail = tail


class Child:
    """A supervised process. All calls belong on one event loop."""

    def __init__(self, spec: Spec, report: Report) -> None:
        self.spec = spec
        self._report = report
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._stopping = False
        self.tail: deque[str] = deque(maxlen=TAIL)

    @property
    def running(self) -> bool:
        """Whether its process runs now."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it, wait until it is ready, then restart it whenever it ends. Raises `ChildFailed`."""
        self._stopping = False
        try:
            await self._launch()
            await self._until_ready()
        except BaseException:
            await self.stop()
            raise
        self._watcher = asyncio.create_task(self._watch(), name=f"watch {self.spec.name}")

    async def stop(self) -> None:
        """End it and everything in its process group, politely first. Nothing where it does not run."""
        self._stopping = True
        if self._watcher is not None and self._watcher is not asyncio.current_task():
            self._watcher.cancel()
            await asyncio.wait([self._watcher])
            self._watcher = None
        await self._end()

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        self._stopping = True
        self._kill_group()

    async def restart(self) -> None:
        """Stop it and start it anew. Raises `ChildFailed`."""
        await self.stop()
        await self.start()

    async def _launch(self) -> None:
        spec = self.spec
        uid, gid = spec.account or (0, 0)
        orders = (os.getpid(), int(spec.death), uid, gid)
        self.tail.clear()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(LAUNCHER), *map(str, orders)),
            *spec.command(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=spec.environment,
            cwd=spec.directory,
            pass_fds=spec.descriptors,
            start_new_session=True,
        )
        with suppress(Exception):  # it may have ended already: then there is nothing to record
            self._report.started(spec.name, Process.of(self._process.pid))
        self._reader = asyncio.create_task(self._read(self._process), name=f"read {spec.name}")

    async def _until_ready(self) -> None:
        process = self._process
        if process is None or self.spec.ready is None:
            return
        ready = asyncio.ensure_future(self.spec.ready())
        ended = asyncio.ensure_future(process.wait())
        try:
            await asyncio.wait([ready, ended], return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                await self._drain()
                raise ChildFailed(self.spec.name, _ending(process.returncode), list(self.tail))
            try:
                ready.result()
            except TimeoutError as error:
                raise ChildFailed(self.spec.name, "did not get ready in time", list(self.tail)) from error
        finally:
            for task in (ready, ended):
                task.cancel()

    async def _watch(self) -> None:
        """Restart after each end; give up after as many crashes in a row as `BACKOFF` has steps."""
        loop = asyncio.get_running_loop()
        crashes = 0
        since = loop.time()
        while self._process is not None:
            status = await self._process.wait()
            await self._drain()
            if self._stopping:
                return
            if loop.time() - since > SETTLED:
                crashes = 0
            given_up = crashes == len(BACKOFF)
            next_step = "it has crashed too often and stays down" if given_up else "starting it again"
            self._report.crashed(self.spec.name, f"{_ending(status)}; {next_step}", list(self.tail))
            if given_up:
                return
            self._kill_group()
            await asyncio.sleep(BACKOFF[crashes])
            crashes += 1
            await self._launch()
            since = loop.time()
            with suppress(ChildFailed):  # its end is seen at the top of the loop
                await self._until_ready()
                self._report.recovered(self.spec.name)

    async def _end(self) -> None:
        process = self._process
        if process is None:
            return
        for number, patience in self.spec.stop:
            if process.returncode is not None:
                break
            with suppress(ProcessLookupError):
                process.send_signal(number)
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(process.wait()), patience)
        self._kill_group()
        await process.wait()
        await self._drain()
        self._process = None

    def _kill_group(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _drain(self) -> None:
        """Wait for the end of the output, which a grandchild may hold open: not for long."""
        if self._reader is not None:
            await asyncio.wait([self._reader], timeout=1.0)
            self._reader.cancel()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is None:
            return
        rest = b""
        with self.spec.log.open("ab", buffering=0) as log:
            while chunk := await process.stdout.read(65536):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._keep(log.write, line)
            if rest:
                self._keep(log.write, rest)

    def _keep(self, write: Callable[[bytes], object], raw: bytes) -> None:
        line = raw.decode(errors="replace").rstrip("\r")
        plain = ESCAPES.sub("", line)
        write(plain.encode() + b"\n")
        self.tail.append(plain)
        self._report.line(self.spec.name, line)


async def run_to_end(
    name: str,
    command: Sequence[str],
    environment: dict[str, str],
    log: Path,
    say: Callable[[str], None] = lambda _line: None,
) -> None:
    """Run a command that ends by itself; each line goes to its log and to `say`. Raises `ChildFailed`."""
    orders = (os.getpid(), int(signal.SIGKILL), 0, 0)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", str(LAUNCHER), *map(str, orders)),
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )
    tail: deque[str] = deque(maxlen=TAIL)
    try:
        with log.open("ab", buffering=0) as file:
            while process.stdout and (raw := await process.stdout.readline()):
                line = ESCAPES.sub("", raw.decode(errors="replace")).rstrip()
                file.write(line.encode() + b"\n")
                tail.append(line)
                say(line)
        await process.wait()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        raise ChildFailed(name, _ending(process.returncode), list(tail))


def set_aside(log: Path) -> None:
    """Keep one earlier log of a child where it has grown long."""
    with suppress(FileNotFoundError):
        if log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))


def _ending(status: int | None) -> str:
    """How a process ended, in words."""
    if status is None:
        return "is still running"
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with exit code {status}"
