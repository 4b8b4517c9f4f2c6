"""Probes: does what this function needs answer, how fast, and what to do where it does not."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Literal
from weakref import WeakKeyDictionary

from pydantic import Field

from common.schemas import ResponseModel

PROBE_SECONDS: Final = 2.0
KEPT_SECONDS = 1.0


class ProbeFailed(Exception):
    """Says in one sentence what a probe found."""


@dataclass(frozen=True, slots=True)
class Probe:
    """`check` returns when all is well and raises otherwise; `hint` says what an operator does then.

    Only an `essential` probe can make a function unready; the others make it degraded.
    """

    name: str
    check: Callable[[], None]
    hint: str
    essential: bool = True


class ProbeReport(ResponseModel):
    """What one probe found."""

    name: str = Field(examples=["database"])
    state: Literal["ok", "failed"]
    latency_ms: float = Field(description="How long the probe took, in milliseconds.", examples=[1.4])
    detail: str = Field("", description="What was found where it failed.", examples=[""])
    hint: str = Field("", description="What to do about it.", examples=[""])


class HealthReport(ResponseModel):
    """`unavailable` where nothing useful works, `degraded` where something does not."""

    state: Literal["ok", "degraded", "unavailable"]
    probes: list[ProbeReport]


def _describe(error: BaseException) -> str:
    if isinstance(error, ProbeFailed):
        return str(error)
    return type(error).__name__


class Prober:
    """Runs a set of probes all at once, each in at most PROBE_SECONDS.

    Whoever asks while they run waits for the same report, and whoever asks within KEPT_SECONDS gets the last
    one: readiness is open to everyone, and must not be a way to keep what it probes busy.
    """

    def __init__(self, probes: Sequence[Probe]) -> None:
        """Threads of their own: probes that hang must not take those that requests need."""
        self.probes = tuple(probes)
        self._threads = ThreadPoolExecutor(max(1, len(self.probes)), thread_name_prefix="probe")
        self._running: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[HealthReport]]
        self._running = WeakKeyDictionary()
        self._kept: HealthReport | None = None
        self._kept_at = 0.0

    async def report(self) -> HealthReport:
        """What was found, now or a moment ago."""
        if self._kept is not None and time.monotonic() - self._kept_at < KEPT_SECONDS:
            return self._kept
        loop = asyncio.get_running_loop()
        task = self._running.get(loop)
        if task is None or task.done():
            task = self._running[loop] = loop.create_task(self._probe_all())
        return await asyncio.shield(task)

    async def _probe_all(self) -> HealthReport:
        reports = await asyncio.gather(*(self._probe(probe) for probe in self.probes))
        failed = {report.name for report in reports if report.state == "failed"}
        essential = {probe.name for probe in self.probes if probe.essential}
        state: Literal["ok", "degraded", "unavailable"] = "degraded" if failed else "ok"
        if failed & essential:
            state = "unavailable"
        self._kept, self._kept_at = HealthReport(state=state, probes=reports), time.monotonic()
        return self._kept

    async def _probe(self, probe: Probe) -> ProbeReport:
        started = time.perf_counter()
        detail = ""
        try:
            future = asyncio.get_running_loop().run_in_executor(self._threads, probe.check)
            await asyncio.wait_for(future, PROBE_SECONDS)
        except TimeoutError:
            detail = f"No answer within {PROBE_SECONDS:g} s."
        except Exception as error:  # noqa: BLE001 - whatever it is, the probe has failed
            detail = _describe(error)
        return ProbeReport(
            name=probe.name,
            state="failed" if detail else "ok",
            latency_ms=round((time.perf_counter() - started) * 1000, 1),
            detail=detail,
            hint=probe.hint if detail else "",
        )
