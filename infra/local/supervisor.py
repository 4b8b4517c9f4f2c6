"""The process behind `lambkin up`: starts the children, watches the sources, stops everything at the end."""

import asyncio
import os
import signal
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime

from infra.local import leftovers
from infra.local.children import Child, Report
from infra.local.emulator import EmulatorUnusable
from infra.local.home import Home, HomeDamaged
from infra.local.mail import Mailbox, MailServer
from infra.local.plan import Options, Plan, make_plan
from infra.local.ports import PortTaken
from infra.local.postgres import PostgresUnusable
from infra.local.processes import ChildFailed, Spec, set_aside
from infra.local.screen import Screen
from infra.local.starting import STEPS, Start, provision
from infra.local.state import Process, Stack, forget_stack, write_stack
from infra.local.summary import show_summary
from infra.local.watch import changes

FED = ("server", "jobs")  # what runs the functions: logs stream through the terminal, changes restart it
STOP_ORDER = (("server", "jobs"), ("emulator",), ("database",))  # what needs others ends before them
EXPECTED = (HomeDamaged, PortTaken, PostgresUnusable, EmulatorUnusable, ChildFailed)


class Supervisor:
    """One stack, from its start to its end."""

    def __init__(self, home: Home, options: Options, screen: Screen) -> None:
        self._home = home
        self._options = options
        self._screen = screen
        self._children: dict[str, Child] = {}
        self._processes: dict[str, Process] = {}
        self._mail = MailServer(Mailbox(home.mail))
        self._plan: Plan | None = None
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._serving = False
        self._stopping = asyncio.Event()
        self._background: set[asyncio.Task[None]] = set()
        self._report = Report(self._on_line, self._on_crash, self._on_recovery, self._on_start)

    async def run(self) -> int:
        """Start, serve until a signal, stop. Returns the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._on_signal)
        work = asyncio.create_task(self._serve())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([work, stopping], return_when=asyncio.FIRST_COMPLETED)
            work.cancel()
            await asyncio.wait([work])
            return self._outcome(work)
        finally:
            stopping.cancel()
            await self._stop_all()

    def _outcome(self, work: asyncio.Task[None]) -> int:
        if work.cancelled():
            return 0
        error = work.exception()
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if not isinstance(error, EXPECTED):
            raise error or AssertionError("the work of a stack ends by being cancelled")
        self._show_failure(error)
        return 1

    def _on_signal(self) -> None:
        if self._stopping.is_set():  # the second one: the user does not want to wait
            for child in self._children.values():
                child.kill()
        self._stopping.set()

    async def _serve(self) -> None:
        for name in leftovers.clear(self._home):
            self._screen.say(f"ended the {name} that an earlier stack had left", "yellow")
        await self._mail.start()
        plan = self._plan = make_plan(self._home, self._options, self._mail.port)
        for log in self._home.logs.glob("*.log"):
            set_aside(log)
        steps = [step for step in STEPS if step != "demo accounts" or plan.options.demo]
        with self._screen.progress(steps) as progress:
            await Start(plan, progress, self._run_child).everything()
        await show_summary(plan, self._screen)
        self._serving = True
        if plan.options.reload:
            async for files in changes():
                await self._reload(plan, files)
        await asyncio.Event().wait()

    async def _run_child(self, spec: Spec) -> None:
        child = self._children[spec.name] = Child(spec, self._report)
        await child.start()

    async def _reload(self, plan: Plan, files: Sequence[str]) -> None:
        more = f" and {len(files) - 3} more" if len(files) > 3 else ""
        self._screen.say(f"changed: {', '.join(files[:3])}{more}; restarting the functions", "cyan")
        if any(file.startswith("migrations/versions/") for file in files):
            self._screen.say("A migration changed: `lambkin migrate up` applies it.", "yellow")
        if plan.emulator is not None:
            self._later(provision(plan))
        # One after the other: requests wait for the server, and nobody for the jobs.
        for name in FED:
            try:
                await self._children[name].restart()
            except ChildFailed as error:
                self._show_failure(error)
                self._screen.say("Waiting for the next change.", "cyan")

    def _later(self, work: Coroutine[None, None, None]) -> None:
        """Do something beside everything else; what becomes of it shows elsewhere."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._settled)

    def _settled(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._screen.say(str(error), "yellow")

    def _show_failure(self, error: Exception) -> None:
        if isinstance(error, ChildFailed):
            self._screen.panel(str(error), error.tail)
        else:
            self._screen.say(str(error), "red")

    def _on_line(self, name: str, line: str) -> None:
        if self._serving and name in FED:
            self._screen.log_line(name, line)

    def _on_crash(self, name: str, what: str, tail: Sequence[str]) -> None:
        self._screen.panel(f"{name} {what}", tail)

    def _on_recovery(self, name: str) -> None:
        self._screen.say(f"{name} runs again", "green")
        if name == "emulator" and self._plan is not None:
            self._later(provision(self._plan))

    def _on_start(self, name: str, process: Process) -> None:
        self._processes[name] = process
        if self._plan is None:
            return
        stack = Stack(
            supervisor=Process.of(os.getpid()),
            url=self._plan.url,
            transport=self._plan.options.transport,
            postgres_port=self._plan.cluster.port if self._plan.cluster else None,
            emulator_url=self._plan.environment.get("AWS_ENDPOINT_URL", ""),
            started_at=self._started_at,
            children=self._processes,
        )
        write_stack(self._home, stack)

    async def _stop_all(self) -> None:
        running = bool(self._children)
        self._serving = False
        if running:
            self._screen.say("Stopping ...", "cyan")
        for task in self._background:
            task.cancel()
        for names in STOP_ORDER:
            children = [self._children[name] for name in names if name in self._children]
            await asyncio.gather(*(child.stop() for child in children))
        await self._mail.stop()
        for listener in self._plan.sockets if self._plan else ():
            listener.close()
        forget_stack(self._home)
        if running:
            self._screen.say("Everything has stopped; the data is kept.", "green")
