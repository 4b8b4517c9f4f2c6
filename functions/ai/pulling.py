"""The job that pulls models, one at a time.

It works in slices: after SLICE_SECONDS it leaves the rest to another job, as a Lambda would be ended, and a
process that is to stop would wait for long. Ollama goes on where a pull was ended.
"""

import asyncio
import time
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.orm import Session

from common.database import Database
from common.errors import AppError
from common.jobs import JobContext, enqueue
from common.logs import get_logger
from common.ollama import byte_count
from common.ollama.administration import PullRefused, pull_model
from common.ollama.counts import MOST_BYTES
from functions.ai.generation import storable
from functions.ai.pulls import TASK
from functions.ai.repository import pulls as stored
from functions.ai.repository.pulls import Held, Progress

log = get_logger(__name__)

SLICE_SECONDS: Final = 240.0
TELL_SECONDS: Final = 1.0
LEASE_SECONDS: Final = 120.0
_EXTEND_SECONDS: Final = 30.0
_MOST_ATTEMPTS: Final = 10
_FIRST_PAUSE_SECONDS: Final = 10.0
_LONGEST_PAUSE_SECONDS: Final = 600.0
_ABSENT: Final = ("not found", "does not exist")


@dataclass(slots=True)
class _Parts:
    """How much there is of each part of a model, as its lines tell."""

    status: str = ""
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, line: dict[str, Any]) -> None:
        """One more line."""
        self.status = storable(str(line.get("status") or ""))[:200]
        if digest := line.get("digest"):
            self.sizes[str(digest)] = (byte_count(line, "completed"), byte_count(line, "total"))

    @property
    def progress(self) -> Progress:
        """Of all parts together."""
        completed = sum(each for each, _ in self.sizes.values())
        total = sum(each for _, each in self.sizes.values())
        return Progress(self.status, min(completed, MOST_BYTES), min(total, MOST_BYTES))


def pull_models(job: JobContext) -> None:
    """Pull what waits, until nothing does, or the time of this slice is over."""
    ends = time.monotonic() + SLICE_SECONDS
    while (held := job.transaction(stored.claim)) is not None:
        try:
            over = asyncio.run(_pull(job, held, ends))
        except AppError as error:
            _fail(job, held, error)
            return
        if not over:
            job.transaction(lambda session, held=held: _go_on(session, held))  # type: ignore[misc]  # mypy does not infer a lambda with a default
            return


def tend(database: Database) -> None:
    """Have a job for what waits, where there is none."""

    def enqueue_if_needed(session: Session) -> None:
        if stored.needs_a_job(session, TASK):
            enqueue(session, "ai", TASK)

    database.transaction(enqueue_if_needed)


async def _pull(job: JobContext, held: Held, ends: float) -> bool:
    """Whether it is over: done, or cancelled. Raises what `pull_model` raises."""
    parts, told, extended = _Parts(), 0.0, time.monotonic()
    async with aclosing(pull_model(held.model)) as lines:
        waiting: asyncio.Task[dict[str, Any] | None] | None = None
        try:
            while time.monotonic() < ends:
                waiting = waiting or asyncio.ensure_future(anext(lines, None))
                await asyncio.wait((waiting,), timeout=TELL_SECONDS)
                if waiting.done():
                    line, waiting = waiting.result(), None
                    if line is None:
                        job.transaction(lambda session: _done(session, held, parts.progress))
                        return True
                    parts.add(line)
                if time.monotonic() - told >= TELL_SECONDS:
                    told = time.monotonic()
                    if not job.transaction(lambda session: stored.tell(session, held, parts.progress)):
                        return True
                if time.monotonic() - extended >= _EXTEND_SECONDS:
                    extended = time.monotonic()
                    job.extend()
            return False
        finally:
            # A generator that is at work cannot be closed.
            if waiting is not None:
                waiting.cancel()
                with suppress(asyncio.CancelledError, AppError):
                    await waiting


def _done(session: Session, held: Held, progress: Progress) -> None:
    if stored.tell(session, held, progress):
        stored.end(session, held, "done")


def _go_on(session: Session, held: Held) -> None:
    if stored.release(session, held, failed=False):
        enqueue(session, "ai", TASK)


def _fail(job: JobContext, held: Held, error: AppError) -> None:
    """What Ollama refuses is over; where it was away, or the network, it is tried again."""
    refused = isinstance(error, PullRefused)
    words = storable(error.words) if isinstance(error, PullRefused) else ""
    code = "model_not_found" if any(each in words.lower() for each in _ABSENT) else error.code
    log.warning("model_pull_failed", model=held.model, problem=code, attempt=held.attempts + 1)
    pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0**held.attempts)

    def write(session: Session) -> None:
        if refused or held.attempts + 1 >= _MOST_ATTEMPTS:
            stored.end(session, held, "failed", problem=code, status=words)
            enqueue(session, "ai", TASK)
        else:
            stored.release(session, held, failed=True)
            enqueue(session, "ai", TASK, delay_seconds=pause)

    job.transaction(write)
