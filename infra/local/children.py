"""The children of the stack: each restarted when it crashes, and replaced when the sources change."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

from infra.local.processes import ChildFailed, Run, Spec
from infra.local.state import Process

BACKOFF = (0.2, 0.5, 1.0, 2.0, 4.0)  # seconds before each restart; after the last the child stays down
SETTLED = 30.0  # seconds of running after which earlier crashes are forgotten


@dataclass(frozen=True)
class Report:
    """What is told of the children, each by its name: a line of output, a crash and what follows from it."""

    line: Callable[[str, str], None]
    crashed: Callable[[str, str, Sequence[str]], None]
    recovered: Callable[[str], None]
    started: Callable[[str, Process], None]


class Child:
    """A program that is kept running. All calls belong on one event loop."""

    def __init__(self, spec: Spec, report: Report) -> None:
        self._spec = spec
        self._report = report
        self._run: Run | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it, wait until it is ready, then restart it whenever it ends. Raises `ChildFailed`."""
        run = await self._begin()
        try:
            await run.until_ready()
        except BaseException:
            await run.end()
            raise
        self._watcher = asyncio.create_task(self._watch(run), name=f"watch {self._spec.name}")

    async def stop(self) -> None:
        """End it, politely first. Nothing where it does not run."""
        await self._unwatch()
        if self._run is not None:
            await self._run.end()

    async def restart(self) -> None:
        """Put a new run in the place of the present one, which ends meanwhile. Raises `ChildFailed`."""
        await self._unwatch()
        previous = self._run
        async with asyncio.TaskGroup() as group:
            if previous is not None:
                group.create_task(previous.end())
            starting = group.create_task(self._start_quietly())
        if failure := starting.result():
            raise failure

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        if self._watcher is not None:
            self._watcher.cancel()
        if self._run is not None:
            self._run.kill()

    async def _start_quietly(self) -> ChildFailed | None:
        """Start it; a failure is returned, as the end of the previous run is to be awaited all the same."""
        try:
            await self.start()
        except ChildFailed as failure:
            return failure
        return None

    async def _begin(self) -> Run:
        name = self._spec.name
        self._run = await Run.begin(self._spec, lambda line: self._report.line(name, line))
        with suppress(psutil.Error):  # it may have ended already: then there is nothing to record
            self._report.started(name, Process.of(self._run.pid))
        return self._run

    async def _unwatch(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])
            self._watcher = None

    async def _watch(self, run: Run) -> None:
        """Restart after each end; give up after as many crashes in a row as `BACKOFF` has steps."""
        name = self._spec.name
        clock = asyncio.get_running_loop().time
        crashes = 0
        while True:
            since = clock()
            how = await run.ended()
            crashes = 0 if clock() - since > SETTLED else crashes
            if crashes == len(BACKOFF):
                self._report.crashed(name, f"{how}; it has crashed too often and stays down", list(run.tail))
                return
            self._report.crashed(name, f"{how}; starting it again", list(run.tail))
            await asyncio.sleep(BACKOFF[crashes])
            crashes += 1
            run = await self._begin()
            with suppress(ChildFailed):  # its end is seen at the top of the loop
                await run.until_ready()
                self._report.recovered(name)
