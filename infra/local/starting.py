"""The steps of a start, each telling how far it is."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from infra.local import discovery, postgres
from infra.local import emulator as emulators
from infra.local.home import shown
from infra.local.plan import Plan, emulator_spec, jobs_spec, postgres_spec, server_spec
from infra.local.processes import Spec, run_to_end
from infra.local.screen import Progress

STEPS = ("database", "emulator", "migrations", "demo accounts", "functions", "jobs")


async def provision(plan: Plan) -> None:
    """Make what the functions expect of AWS; needed again after each start of the emulator.

    Raises `EmulatorUnusable`.
    """
    # boto3's import takes as long as the rest of a warm start: it happens beside other steps.
    from infra.local import resources

    names = [function.name for function in discovery.functions() if function.handles_jobs]
    try:
        await asyncio.to_thread(resources.provision, plan.environment, names)
    except resources.FAILURES as error:
        raise emulators.EmulatorUnusable(f"The bucket and the queues could not be made: {error}") from error


class Start:
    """One start; `run` starts a child and keeps it."""

    def __init__(self, plan: Plan, progress: Progress, run: Callable[[Spec], Awaitable[None]]) -> None:
        self._plan = plan
        self._progress = progress
        self._run = run

    async def everything(self) -> None:
        """All steps, those side by side that can be. Raises a group of what went wrong."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._database_and_content())
            group.create_task(self._emulator())
            group.create_task(self._functions())
        await self._jobs()

    async def _database_and_content(self) -> None:
        await self._database()
        self._progress.say("migrations", "bringing the schema up to date")
        said = await self._run_python("migrations", "infra.cli", "migrate", "up")
        self._progress.done("migrations", said)
        if self._plan.options.demo:
            self._progress.say("demo accounts", "looking for them")
            said = await self._run_python("demo", "infra.local.seed")
            self._progress.done("demo accounts", f"{said}; kept in {shown(self._plan.home.demo_file)}")

    async def _run_python(self, name: str, module: str, *arguments: str) -> str:
        """Run a module that ends by itself; the last line that it prints. Raises `ChildFailed`."""
        said = [""]
        command = [sys.executable, "-m", module, *arguments]
        spec = Spec(name, command, self._plan.environment, self._plan.log(name))
        await run_to_end(spec, said.append)
        return said[-1].rstrip(".")

    async def _database(self) -> None:
        plan, progress, cluster = self._plan, self._progress, self._plan.cluster
        if cluster is None:
            progress.done("database", "the one that DATABASE_URL names")
            return
        progress.say("database", "looking at what is there")
        await asyncio.to_thread(postgres.stop_left_over, cluster)
        if not (cluster.folder / "PG_VERSION").exists():
            progress.say("database", f"creating it in {shown(cluster.folder)}")
        await asyncio.to_thread(postgres.create, cluster, plan.secrets)
        progress.say("database", "starting PostgreSQL")
        await self._run(postgres_spec(plan, cluster))
        progress.done("database", f"PostgreSQL {postgres.version()} on 127.0.0.1:{cluster.port}")

    async def _emulator(self) -> None:
        plan, progress, emulator = self._plan, self._progress, self._plan.emulator
        if emulator is None:
            await self._other_endpoint(plan.environment["AWS_ENDPOINT_URL"])
            return
        if not emulators.installed(emulator):
            progress.say("emulator", "making its Python environment")
            await emulators.install(emulator, plan.log("tools"), lambda text: progress.say("emulator", text))
        progress.say("emulator", "starting MiniStack")
        await self._run(emulator_spec(plan, emulator))
        progress.say("emulator", "making the bucket and the queues")
        await provision(plan)
        progress.done("emulator", f"MiniStack {emulators.version()} on 127.0.0.1:{emulator.port}")

    async def _other_endpoint(self, url: str) -> None:
        """Another emulator gets the same bucket and queues; AWS itself is left alone."""
        if url.endswith(".amazonaws.com"):
            self._progress.done("emulator", f"none; AWS_ENDPOINT_URL names {url}")
            return
        self._progress.say("emulator", f"making the bucket and the queues at {url}")
        try:
            await provision(self._plan)
        except emulators.EmulatorUnusable as error:
            self._progress.done("emulator", str(error), warned=True)
        else:
            self._progress.done("emulator", f"the one at {url}, which AWS_ENDPOINT_URL names")

    async def _functions(self) -> None:
        self._progress.say("functions", "importing them")
        await self._run(server_spec(self._plan))
        names = [function.name for function in discovery.functions() if function.serves_http]
        self._progress.done("functions", ", ".join(names) or "there are none yet")

    async def _jobs(self) -> None:
        self._progress.say("jobs", "starting")
        await self._run(jobs_spec(self._plan))
        names = [function.name for function in discovery.functions() if function.handles_jobs]
        self._progress.done("jobs", f"events go to {', '.join(names)}" if names else "there are none yet")
