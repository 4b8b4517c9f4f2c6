"""Whether a request may have a model work for it, and what it cost: every call of a model goes through here.

A request waits for its turn, and then reserves what it may cost: one short transaction. Meanwhile its process
says from time to time, in one statement for all, that it lives. What it cost is settled at its end, also
where it failed or its client has left. Where the process is killed, `sweep` settles it.

What a caller does not bound is bounded all the same: an answer without `max_tokens` reserves ANSWER_TOKENS,
or what is left of a quota; one that names `max_tokens` reserves all of them, or is refused.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary, WeakValueDictionary

from sqlalchemy.orm import Session

from common import draining, metrics
from common.database import Database, get_database
from common.errors import AppError
from common.ids import new_id
from common.logs import get_logger
from common.ollama import ModelNotFound
from common.principals import Principal
from common.settings import get_settings
from functions.ai import quotas
from functions.ai.model_names import LONGEST, canonical
from functions.ai.models import require_absent
from functions.ai.repository import pulls, reservations
from functions.ai.repository import quotas as rules
from functions.ai.repository.reservations import Reservation, Told
from functions.ai.turns import turns

log = get_logger(__name__)

ANSWER_TOKENS: Final = 8192
KEEP_SECONDS: Final = 10.0
USAGE_DAYS: Final = 400
"""How long it is known who used how much."""

_ELSEWHERE_SECONDS: Final = 1.0
_AGAIN_SECONDS: Final = 0.25
_BATCH: Final = 500


class _TooMany(Exception):
    """The account has as many requests under way, in all processes, as it may have."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a request asks for."""

    id: UUID
    principal: Principal
    model: str
    prompt_tokens: int
    max_tokens: int | None
    generations: int


@dataclass(slots=True)
class Admission:
    """One request's leave to use a model.

    `num_predict` is the most that each of its answers may have, for Ollama's option of that name, null where
    nothing bounds it; `num_ctx` what administrators settled for the model, null where they did not. Where
    `is_hidden` the caller may not use the model: `require_model` is to be called before it is asked.
    """

    reservation_id: UUID
    model: str
    num_predict: int | None
    num_ctx: int | None
    prompt_tokens: int
    completion_tokens: int = 0
    is_hidden: bool = False
    ended: bool = False
    is_void: bool = False
    is_told: bool = False
    began: float = field(default_factory=time.monotonic)
    _measure: Callable[[], tuple[int, int]] | None = None

    def settle(self, prompt_tokens: int, completion_tokens: int) -> None:
        """What it cost in the end; the last word counts."""
        self.prompt_tokens, self.completion_tokens = max(0, prompt_tokens), max(0, completion_tokens)
        self.is_told, self._measure = True, None

    def follow(self, measure: Callable[[], tuple[int, int]]) -> None:
        """How to find out, at any moment, what it cost so far: tokens of the prompt and of the answer.

        With it, little is missed where the process is killed before `settle`.
        """
        self._measure = measure

    async def require_model(self) -> None:
        """Raises ModelNotFound where the caller may not use the model, as though it was not there."""
        if self.is_hidden:
            await require_absent(self.model)

    def fail(self, error: BaseException) -> None:
        """It failed with this, before or after something was said.

        What is not there is in nobody's usage, unless it was there for a while, and said something.
        """
        self.is_void = isinstance(error, ModelNotFound)

    def end(self, *, failed: bool) -> None:
        """No more comes. What failed and told nothing did cost nothing."""
        if failed and not self.is_told:
            self.settle(*(self._measure() if self._measure else (0, 0)))
        self.ended = True

    @property
    def told(self) -> Told:
        """As it is stored: what it cost so far, and before that is known its prompt's estimate."""
        if self._measure is not None:
            prompt, completion = self._measure()
            self.prompt_tokens = prompt or self.prompt_tokens
            self.completion_tokens = completion
        return Told(self.reservation_id, self.prompt_tokens, self.completion_tokens)


@asynccontextmanager
async def admitted(
    principal: Principal,
    *,
    model: str,
    prompt_tokens: int,
    max_tokens: int | None = None,
    generations: int = 1,
    is_told_later: bool = False,
) -> AsyncIterator[Admission]:
    """Leave to use this model, for as long as it is entered.

    `prompt_tokens` is an estimate, and `max_tokens` the most that may be produced, None where nothing bounds
    it; both are of all `generations` together. What is entered in one task may be left in another, as streams
    are. Raises ModelNotFound where the caller may not use it, unless he `is_told_later` (`require_model`),
    QuotaExceeded, AiBusy, Unavailable, and what `common.ollama` raises.
    """
    wanted = _Wanted(new_id(), principal, canonical(model), prompt_tokens, max_tokens, generations)
    if len(wanted.model) > LONGEST:
        raise ModelNotFound
    admission = await _enter(wanted)
    try:
        if not is_told_later:
            await admission.require_model()
        yield admission
    except BaseException as error:
        admission.fail(error)
        admission.end(failed=True)
        raise
    else:
        admission.end(failed=False)
    finally:
        # Whoever cancels us does not cancel that: it goes on behind our back.
        await asyncio.shield(_keeper().start(_leave(principal.user_id, admission)))


async def _enter(wanted: _Wanted) -> Admission:
    owner, queue = wanted.principal.user_id, turns()
    until = asyncio.get_running_loop().time() + get_settings().ai_queue_seconds
    again = False
    while True:
        await queue.take(owner, until, again=again)
        reserving = _keeper().start(_reserved(wanted))
        try:
            admission = await asyncio.shield(reserving)
        except asyncio.CancelledError:
            _keeper().start(_undo(owner, wanted.id, reserving))
            raise
        except _TooMany:
            queue.defer(owner, _ELSEWHERE_SECONDS)
            queue.give_back(owner)
            again = True
        except BaseException:
            queue.give_back(owner)
            raise
        else:
            _keeper().add(admission)
            return admission


async def _reserved(wanted: _Wanted) -> Admission:
    # They wait for each other in any case: here they do so without a connection.
    async with _gates.setdefault((asyncio.get_running_loop(), wanted.principal.user_id), asyncio.Lock()):
        return await get_database("ai").run(partial(_reserve, wanted))


def _reserve(wanted: _Wanted, session: Session) -> Admission:
    owner_id, key_id = wanted.principal.user_id, wanted.principal.api_key_id
    reservations.hold_owner(session, owner_id)
    rows = reservations.standing(session, owner_id, key_id, wanted.model)
    is_hidden = not rows[0].allowed
    # A model that is not for the caller has no quotas of its own, as one that is not there.
    standings = [each for each in quotas.applying(rows) if each.model is None or not is_hidden]
    answer, num_predict = _answer(wanted, quotas.tokens_left(standings))
    tokens = wanted.prompt_tokens + answer
    try:
        quotas.require_room(standings, tokens)
    except quotas.QuotaExceeded:
        metrics.count(metrics.AI_REFUSALS, reason="quota")
        raise
    if rows[0].running >= get_settings().ai_user_concurrency:
        raise _TooMany
    reservations.reserve(
        session,
        Reservation(wanted.id, owner_id, key_id, wanted.model, rows[0].today, tokens, wanted.prompt_tokens),
    )
    num_ctx = None if is_hidden else rows[0].num_ctx
    return Admission(wanted.id, wanted.model, num_predict, num_ctx, wanted.prompt_tokens, is_hidden=is_hidden)


def _answer(wanted: _Wanted, left: int | None) -> tuple[int, int | None]:
    """How many tokens are set aside for the answers, and how many each of them may have."""
    if wanted.max_tokens is not None:
        return wanted.max_tokens, wanted.max_tokens // wanted.generations
    usual = ANSWER_TOKENS * wanted.generations
    if left is None:
        return usual, None
    # Room for at least a token each, or it is refused.
    each = max(1, min(usual, left - wanted.prompt_tokens) // wanted.generations)
    return each * wanted.generations, each


async def _undo(owner: UUID, reservation_id: UUID, reserving: "asyncio.Task[Admission]") -> None:
    """After a client that left while its reservation was being made: no model was asked."""
    try:
        await asyncio.wait((reserving,))
        if not reserving.cancelled() and reserving.exception() is None:
            await get_database("ai").run(lambda session: reservations.release(session, reservation_id))
    finally:
        turns().give_back(owner)


async def _leave(owner: UUID, admission: Admission) -> None:
    try:
        # Before the turn of the next: that one counts who is under way.
        await _keeper().settle(admission)
    finally:
        turns().give_back(owner, time.monotonic() - admission.began)


class _Keeper:
    """What a loop's requests hold. It has a task while there is something, and writes for all at once.

    It also has what nobody may wait for any more, and must not be lost: what reserves and what settles.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: dict[UUID, Admission] = {}
        self._task: asyncio.Task[None] | None = None
        self._started: set[asyncio.Task[Any]] = set()

    @property
    def is_busy(self) -> bool:
        """Whether a model works, or what it cost is not written down."""
        return bool(self._held or self._started)

    async def drain(self) -> None:
        """Wait until all is settled. What could not be written is tried again."""
        while self.is_busy:
            if self._started:
                await asyncio.wait(self._started)
            for each in [each for each in self._held.values() if each.ended]:
                await self.settle(each)
                if each.reservation_id in self._held:
                    break
            if self._held:
                await asyncio.sleep(_AGAIN_SECONDS)

    def start[T](self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """A task that is not lost where nobody waits for it any more."""
        task = asyncio.get_running_loop().create_task(work)
        self._started.add(task)
        task.add_done_callback(self._done)
        draining.register(self)
        return task

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._started.discard(task)
        # Looked at, so that nobody complains that nobody did: who waited for it knows.
        if not task.cancelled():
            task.exception()
        if not self.is_busy:
            draining.forget(self)

    def add(self, admission: Admission) -> None:
        """Hold one more."""
        self._held[admission.reservation_id] = admission
        draining.register(self)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._keep())

    async def settle(self, admission: Admission) -> None:
        """Write down what it cost. Where that fails it is held, and tried again with the next tick."""
        told = admission.told
        try:
            await self._database.run(partial(_settle, admission.is_void, told))
        except Exception as error:  # noqa: BLE001 - whatever it is: the answer stands, and the row waits
            reason = error.code if isinstance(error, AppError) else type(error).__name__
            log.warning("ai_settlement_failed", reason=reason)
            return
        self._held.pop(admission.reservation_id, None)
        if not self._held and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            ended = [each for each in self._held.values() if each.ended]
            # Also of those whose settlement failed: no sweep is to be faster, with less.
            told = [each.told for each in self._held.values()]
            try:
                if told:
                    await self._database.run(partial(reservations.keep, told=told))
            except Exception as error:  # noqa: BLE001 - the lease is longer than some ticks
                reason = error.code if isinstance(error, AppError) else type(error).__name__
                log.warning("ai_lease_not_extended", requests=len(told), reason=reason)
            for each in ended:
                self.start(self.settle(each))


_keepers: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _Keeper]] = WeakKeyDictionary()
# Each goes with the last request of its account that waits.
_gates: Final[WeakValueDictionary[tuple[asyncio.AbstractEventLoop, UUID], asyncio.Lock]] = (
    WeakValueDictionary()
)


def _settle(is_void: bool, told: Told, session: Session) -> None:  # noqa: FBT001 - bound by position
    if is_void and not told.completion_tokens:
        reservations.release(session, told.id)
    else:
        reservations.settle(session, told.id, told.prompt_tokens, told.completion_tokens)


def _keeper() -> _Keeper:
    loop = asyncio.get_running_loop()
    found = _keepers.get(loop)
    return found if found is not None else _keepers.setdefault(loop, _Keeper(get_database("ai")))


def sweep(database: Database) -> None:
    """Settle what processes held that are gone."""
    while settled := database.transaction(lambda session: reservations.settle_expired(session, _BATCH)):
        log.warning("ai_requests_lost", number=settled)


def forget(database: Database) -> None:
    """Delete what was used or pulled longer than USAGE_DAYS ago, and quotas of API keys that are gone."""
    before = datetime.now(UTC).date() - timedelta(days=USAGE_DAYS)
    while database.transaction(lambda session: reservations.delete_old_usage(session, before, _BATCH)):
        pass
    database.transaction(lambda session: pulls.delete_old(session, before))
    database.transaction(rules.remove_orphans)
