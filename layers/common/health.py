"""Probes: does what this function needs answer, how fast, and what to do where it does not."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import Field

from common.schemas import ResponseModel

PROBE_SECONDS: Final = 2.0


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


async def _run(probe: Probe, pool: ThreadPoolExecutor) -> ProbeReport:
    started = time.perf_counter()
    detail = ""
    try:
        future = asyncio.get_running_loop().run_in_executor(pool, probe.check)
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


async def run_probes(probes: Sequence[Probe]) -> HealthReport:
    """Run all at once, each in at most PROBE_SECONDS."""
    # A pool of their own: probes that hang must not take the threads that requests need.
    pool = ThreadPoolExecutor(max_workers=max(1, len(probes)), thread_name_prefix="probe")
    try:
        reports = await asyncio.gather(*(_run(probe, pool) for probe in probes))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    failed = {report.name for report in reports if report.state == "failed"}
    essential = {probe.name for probe in probes if probe.essential}
    if failed & essential:
        return HealthReport(state="unavailable", probes=reports)
    return HealthReport(state="degraded" if failed else "ok", probes=reports)
