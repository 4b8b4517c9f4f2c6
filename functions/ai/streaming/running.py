"""A generation that this process does."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from common import error_reports
from common.logs import get_logger, trace
from common.problems import from_exception, problem
from functions.ai.admission import Admission
from functions.ai.generation import OllamaChat, Part, Tally, generate, storable
from functions.ai.repository.generations import Progress
from functions.ai.streaming.events import CONTENT, REASONING, Json, count_of_endings
from functions.ai.streaming.feed import Feed

log = get_logger(__name__)

type End = Literal["done", "stopped", "abandoned", "failed", "interrupted"]

MOST_CHARACTERS: Final = 2_000_000
"""Of an answer with its reasoning: what says more is ended as if it had reached its length."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be generated; `untitled` says that its conversation wants a title after it."""

    message_id: UUID
    conversation_id: UUID
    owner_id: UUID
    chat: OllamaChat
    untitled: bool


class Running:
    """One message on its way: its task, its feed, and what of it is stored."""

    def __init__(self, order: Order, admission: Admission, leaving: AsyncExitStack) -> None:
        """`leaving` gives back what the admission holds."""
        self.order = order
        self.feed = Feed(order.message_id)
        self.end: End | None = None
        self.is_over = False
        self._admission, self._leaving = admission, leaving
        self._tally = Tally(order.chat)
        admission.follow(lambda: (self._tally.prompt_tokens, self._tally.completion_tokens))
        self._wanted: End | None = None
        self._stored = 1
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._size = 0
        self._problem: Json | None = None
        self._last = Part()
        self._started = time.perf_counter()
        self._first_token_ms: float | None = None
        self._total_ms: float | None = None
        self._task: asyncio.Task[None] | None = None
        self._has_begun = False

    def start(self, over: Callable[[], None]) -> None:
        """Begin; `over` is called once nothing more will be said."""
        self._task = asyncio.create_task(self._run(over))

    def ask_to_end(self, end: End) -> None:
        """End it so, unless it has ended otherwise by now. It is over a moment later."""
        if self.end is None and self._task is not None and self._wanted is None:
            self._wanted = end
            # A task that is cancelled before its first step takes none: it has to see for itself.
            if self._has_begun:
                self._task.cancel()

    def progress(self) -> Progress:
        """What is not stored yet."""
        events = list(self.feed.since(self._stored - 1) or ())
        return Progress(
            self.order.message_id, self._stored, events, self._columns() if self.is_over else None
        )

    def store_succeeded(self, progress: Progress) -> None:
        """This much of it is stored now."""
        self._stored = progress.first + len(progress.events)
        self.feed.drop(self._stored)

    async def _run(self, over: Callable[[], None]) -> None:
        self._has_begun = True
        try:
            if self._wanted is None:
                await self._generate()
                self.end = "done"
            else:
                self.end = self._wanted
        except asyncio.CancelledError:
            # By `ask_to_end`, or with the process: either is how it ended, and this task goes on to say so.
            self.end = self._wanted or "interrupted"
        except Exception as error:  # noqa: BLE001 - whatever it is, what was said is kept, and marked
            self.end, self._problem = "failed", _told(error)
            self._admission.fail(error)
        self._total_ms = self._elapsed()
        try:
            self._admission.settle(self._tally.prompt_tokens, self._tally.completion_tokens)
            await self._leaving.aclose()
        except Exception as error:  # noqa: BLE001 - whatever it is, the message is over
            log.error("admission_failed", error=type(error).__name__, trace=trace(error))  # noqa: TRY400 - a message may quote what was said
            error_reports.report(error, "request")
        finally:
            self.is_over = True
            over()

    async def _generate(self) -> None:
        await self._admission.require_model()
        async with aclosing(generate(self.order.chat)) as parts:
            async for part in parts:
                self._tally.add(part)
                self._take(part)
                if self._size > MOST_CHARACTERS:
                    self._last = Part(reason="length")
                    return

    def _take(self, part: Part) -> None:
        if self._first_token_ms is None and (part.content or part.reasoning):
            self._first_token_ms = self._elapsed()
        if part.reasoning:
            self._reasoning.append(part.reasoning)
            self.feed.add({REASONING: part.reasoning})
        if part.content:
            self._content.append(part.content)
            self.feed.add({CONTENT: part.content})
        self._size += len(part.reasoning) + len(part.content)
        if part.done:
            self._last = part

    def _elapsed(self) -> float:
        return round((time.perf_counter() - self._started) * 1000, 1)

    def _columns(self) -> Json:
        counts = self._last.counts
        prompt_tokens = counts.prompt_tokens if counts else None
        return {
            "state": self.end,
            "content": "".join(self._content),
            "reasoning": "".join(self._reasoning),
            "finish_reason": self._last.reason,
            "problem": self._problem,
            "truncated": self._last.truncated,
            "prompt_tokens": prompt_tokens,
            "completion_tokens": counts.completion_tokens if counts else None,
            "timings": self._timings(),
            "last_event": self.feed.next - 1 + count_of_endings(prompt_tokens),
        }

    def _timings(self) -> Json:
        found: Json = {"total_ms": self._total_ms}
        if self._first_token_ms is not None:
            found["first_token_ms"] = self._first_token_ms
        if told := self._last.timings:
            found |= {"model_ms": told.total_ms, "load_ms": told.load_ms}
            found |= {"prompt_ms": told.prompt_ms, "answer_ms": told.answer_ms}
        return found


def _told(error: Exception) -> Json:
    told = from_exception(error)
    if told is error:
        log.warning("generation_failed", problem=told.code)
    else:
        log.error("generation_failed", problem=told.code, error=type(error).__name__, trace=trace(error))
        error_reports.report(error, "request")
    return {
        name: storable(value) if isinstance(value, str) else value for name, value in problem(told).items()
    }
