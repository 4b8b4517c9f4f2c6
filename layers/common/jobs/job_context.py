"""What a task is given: its job, and the ways to write about it."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from common.database.transactions import get_database
from common.encryption import DecryptionFailed, decrypt
from common.errors import AppError
from common.jobs.claims import Claim, extend, finish
from common.jobs.outbox import secret_context
from common.jobs.outcomes import LeaseLost, Permanent


class JobContext:
    """One attempt at a job. `attempt` counts from 1; `secret` is empty where the job has none."""

    def __init__(self, held: Claim, lease: timedelta) -> None:
        """`lease` is what `extend` gives where it is not told."""
        self.held = held
        self.finished = False
        self.secret: dict[str, Any] = {}
        self._lease = lease
        self._database = get_database(held.function)

    @property
    def id(self) -> UUID:
        """The job's id: the same in every attempt, so that it can mark an effect outside the database."""
        return self.held.id

    @property
    def payload(self) -> dict[str, Any]:
        """What `enqueue` was given."""
        return self.held.payload

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self.held.attempt

    @property
    def request_id(self) -> str:
        """The id of the request that enqueued the job."""
        return self.held.request_id

    def is_lost_to(self, error: Exception) -> bool:
        """Whether the job is dead when its attempt ends with `error`."""
        if isinstance(error, LeaseLost):
            return False
        permanent = isinstance(error, Permanent | DecryptionFailed)
        return permanent or self.held.attempt >= self.held.max_attempts

    def open_secret(self) -> None:
        """Decrypt the secret. Raises DecryptionFailed."""
        if self.held.secret is not None:
            self.secret = json.loads(decrypt(self.held.secret, secret_context(self.id)))

    def transaction[T](self, work: Callable[[Session], T]) -> T:
        """Run `work` in a transaction of its own, as the function's role, and commit it.

        It may be repeated by a later attempt: what must happen once belongs in `finish_with`.
        """
        return self._database.transaction(work)

    def finish_with[T](self, work: Callable[[Session], T]) -> T:
        """Run `work` and mark the job done in one transaction: both happen, once, or neither.

        The last thing that a task does. Raises LeaseLost, and writes nothing, where the job is another
        handler's by now.
        """

        def work_and_finish(session: Session) -> T:
            # First, so that the row is locked while `work` is under way.
            if not finish(session, self.held):
                raise LeaseLost
            try:
                return work(session)
            except AppError as refusal:
                # A request's refusal may keep what it wrote; here that would be `done` without the work.
                refusal.keep = False
                raise

        result = self._database.transaction(work_and_finish)
        self.finished = True
        return result

    def finish(self) -> None:
        """Mark the job done, if `finish_with` has not. Raises LeaseLost."""
        if not self.finished:
            self.finish_with(lambda _: None)

    def extend(self, seconds: float | None = None) -> None:
        """Hold the job for `seconds` from now, or for its task's timeout: a long task says that it lives.

        Not within `transaction` or `finish_with`, as it needs a connection of its own. Raises LeaseLost.
        """
        lease = self._lease if seconds is None else timedelta(seconds=seconds)
        end = self._database.transaction(lambda session: extend(session, self.held, lease))
        if end is None:
            raise LeaseLost
        self.held = replace(self.held, locked_until=end)
