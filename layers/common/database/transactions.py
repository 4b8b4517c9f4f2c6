"""One request, one transaction, in one hop to a thread that a gate has let in.

The gate admits as many transactions as the pool has connections. It stands here, around the thread hop, and
not at the door of the application: a slow body or a stream holds no place, and a thread never waits for a
connection that waits for a thread.
"""

import asyncio
import contextvars
import random
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Annotated, Any, Final, cast
from weakref import WeakKeyDictionary

from fastapi import Depends
from sqlalchemy import Connection, Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from common import metrics
from common.context import current_context
from common.database.engine import connections_in_use, get_engine
from common.database.faults import is_conflict, is_lost
from common.errors import AppError, Unavailable
from common.logs import get_logger
from common.settings import IN_LAMBDA, get_settings

log = get_logger(__name__)

ATTEMPTS: Final = 4
_BACKOFF_SECONDS: Final = 0.02
_REPEAT_SECONDS: Final = 4.0
_AFTER_COMMIT: Final = "after_commit"


async def _filled_in_by_the_route() -> None:
    """Stand in for the session until the route runs the endpoint in a transaction."""


Db = Annotated[Session, Depends(_filled_in_by_the_route)]
"""The session of a `def` endpoint: committed before the answer is sent, rolled back where it raises."""


async def _connected_by_the_route() -> None:
    """Stand in for the connection until the route runs the endpoint."""


Reading = Annotated[Connection, Depends(_connected_by_the_route)]
"""The connection of a `def` endpoint that only selects.

Each statement sees what is committed by then, as it would in a transaction of ours; but nothing is begun or
committed, so that a statement costs one round trip. Anything but a select is refused.
"""


type AnyRow = Row[*tuple[Any, ...]]
"""A row of whatever columns."""


def after_commit(session: Session, action: Callable[[], object]) -> None:
    """Run `action` once the transaction is committed; never if it is not. It must not raise."""
    session.info.setdefault(_AFTER_COMMIT, []).append(action)


class Database:
    """What one function does in Postgres, as its own role."""

    def __init__(self, function: str) -> None:
        """Nothing is connected before the first transaction."""
        self.function = function
        self.size = 1 if IN_LAMBDA else get_settings().database_pool_size
        self._threads = ThreadPoolExecutor(self.size, thread_name_prefix=f"database-{function}")
        self._gates: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
        self._waiting = 0
        metrics.gauge(metrics.POOL_SIZE, self.size, function=function)
        metrics.gauge(metrics.POOL_IN_USE, partial(connections_in_use, function), function=function)
        metrics.gauge(metrics.GATE_WAITING, lambda: self._waiting, function=function)

    def transaction[T](self, work: Callable[[Session], T]) -> T:
        """Run `work` in a transaction and commit it.

        An exception rolls back, except an AppError with `keep`. Serialisation failures, deadlocks and a
        connection that was lost before the commit are repeated with a new transaction, so `work` must have no
        effect outside of it; `after_commit` is for those. Nothing is repeated after _REPEAT_SECONDS: who
        waits for a database that hangs is told so.
        """
        return self._repeated(partial(self._commit, work))

    def reading[T](self, work: Callable[[Connection], T]) -> T:
        """Run `work`, which only selects, on a connection without a transaction; repeated as above."""
        return self._repeated(partial(self._read, work))

    def _commit[T](self, work: Callable[[Session], T], progress: "_Progress") -> T:
        session = Session(get_engine(self.function), expire_on_commit=False)
        try:
            result, refusal = _attempt(work, session)
            progress.committing = True
            session.commit()
        finally:
            session.close()
        for action in session.info.get(_AFTER_COMMIT, ()):
            action()
        if refusal:
            raise refusal
        return cast("T", result)

    def _read[T](self, work: Callable[[Connection], T], _: "_Progress") -> T:
        with get_engine(self.function).connect() as connection:
            # The driver's own switch: SQLAlchemy's isolation level would take statements to set and reset.
            driver: Any = connection.connection.dbapi_connection
            driver.autocommit = True
            try:
                return work(connection)
            finally:
                if not connection.invalidated:
                    driver.autocommit = False

    def _repeated[T](self, call: Callable[["_Progress"], T]) -> T:
        began = time.monotonic()
        for attempt in range(1, ATTEMPTS + 1):
            progress = _Progress()
            try:
                return call(progress)
            except DBAPIError as error:
                late = attempt == ATTEMPTS or time.monotonic() - began > _REPEAT_SECONDS
                if late or not _can_repeat(error, committing=progress.committing):
                    raise
                metrics.count(metrics.TRANSACTION_RETRIES, function=self.function)
                log.info("transaction_repeated", attempt=attempt)
            # Full jitter, so that two transactions do not meet again at the same moment.
            time.sleep(random.uniform(0, _BACKOFF_SECONDS * 2**attempt))  # noqa: S311 - no secret
        raise AssertionError("the last attempt returns or raises")

    async def run[T](self, work: Callable[[Session], T]) -> T:
        """`transaction(work)` in a thread, once the gate lets it in.

        Raises Unavailable where no place comes free within DATABASE_WAIT_SECONDS.
        """
        return await self._hop(partial(self.transaction, work))

    async def read[T](self, work: Callable[[Connection], T]) -> T:
        """`reading(work)` in a thread, once the gate lets it in. Raises Unavailable."""
        return await self._hop(partial(self.reading, work))

    async def _hop[T](self, call: Callable[[], T]) -> T:
        if IN_LAMBDA:
            # One request at a time: a thread would let nobody go on meanwhile.
            return call()
        loop = asyncio.get_running_loop()
        gate = self._gates.get(loop)
        if gate is None:
            gate = self._gates.setdefault(loop, asyncio.Semaphore(self.size))
        await self._enter(gate)
        future = self._threads.submit(contextvars.copy_context().run, call)
        try:
            result = await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            # The place is free when the thread is, and that one may be at work still.
            if not future.cancel():
                future.add_done_callback(lambda _: loop.call_soon_threadsafe(gate.release))
            else:
                gate.release()
            raise
        except BaseException:
            gate.release()
            raise
        gate.release()
        return result

    async def _enter(self, gate: asyncio.Semaphore) -> None:
        if not gate.locked():
            await gate.acquire()
            return
        began = time.perf_counter()
        self._waiting += 1
        try:
            async with asyncio.timeout(get_settings().database_wait_seconds):
                await gate.acquire()
        except TimeoutError:
            metrics.count(metrics.GATE_REFUSALS, function=self.function)
            raise Unavailable("Too busy: try again shortly.", retry_after=2) from None
        finally:
            self._waiting -= 1
            metrics.observe(metrics.GATE_WAIT_SECONDS, time.perf_counter() - began, function=self.function)


@dataclass(slots=True)
class _Progress:
    """How far an attempt has come: what fails while it commits may have happened."""

    committing: bool = False


def _attempt(work: Callable[[Session], Any], session: Session) -> tuple[Any, AppError | None]:
    try:
        return work(session), None
    except AppError as error:
        if not error.keep:
            raise
        return None, error


def _can_repeat(error: DBAPIError, *, committing: bool) -> bool:
    # A connection that is lost during COMMIT leaves open whether it happened: that is never repeated. One
    # that was never made (no statement) would not be made now.
    return is_conflict(error) or (is_lost(error) and not committing and error.statement is not None)


@lru_cache(maxsize=32)
def get_database(function: str) -> Database:
    """The database of `function` in this process."""
    return Database(function)


async def in_transaction[T](work: Callable[[Session], T]) -> T:
    """`work` in a transaction of the function that serves this request: for `async def` endpoints."""
    return await get_database(current_context().function).run(work)


async def answer_in_transaction[T](
    work: Callable[[Session], T], before: Callable[[], Awaitable[None]] | None = None
) -> T:
    """The transaction whose result is the answer of this request.

    `before` is what has to be done for it outside: it is not done for a request that was answered already.
    With an `Idempotency-Key`, the answer is stored in the same transaction, or the stored Response given.
    """
    database = get_database(current_context().function)
    if current_context().idempotency is not None:
        from common.idempotency import answer_once

        return await answer_once(database, work, before)
    if before is not None:
        await before()
    return await database.run(work)


async def in_reading[T](work: Callable[[Connection], T]) -> T:
    """`work`, which only selects, for the function that serves this request."""
    return await get_database(current_context().function).read(work)
