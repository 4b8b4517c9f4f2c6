"""Enqueueing: the row in the caller's transaction, the wake-up after its commit."""

import json
import math
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, insert
from sqlalchemy.orm import Session

from common import tracing
from common.context import current_context
from common.database.transactions import after_commit
from common.encrypted_columns import JOB_SECRET
from common.encryption import encrypt
from common.ids import new_id
from common.jobs.queues import LONGEST_DELAY, WakeUp, announce
from common.models import Job
from common.models.ownership import FUNCTIONS
from common.settings import get_settings

MAX_ATTEMPTS: Final = 8
_WAKE_UPS: Final = "wake_ups"


def enqueue(  # noqa: PLR0913 - what a job is, in one call; callers name what is not a default
    session: Session,
    function: str,
    task: str,
    payload: dict[str, Any] | None = None,
    *,
    secret: dict[str, Any] | None = None,
    delay_seconds: float = 0,
    max_attempts: int = MAX_ATTEMPTS,
) -> UUID:
    """Write a job for `task` of `function` in the caller's transaction; gives its id.

    `payload` and `secret` are JSON objects; `secret` is encrypted at rest and erased when the job is done.
    The job runs no earlier than in `delay_seconds`, and is dead after `max_attempts`. If the transaction is
    rolled back, there is no job and no message. Raises ValueError for a function that there is not.
    """
    if function not in FUNCTIONS:
        raise ValueError(f"no function {function!r} in the ownership map could run this job")
    job_id = new_id()
    delay = timedelta(seconds=max(0.0, delay_seconds))
    session.execute(
        insert(Job).values(
            id=job_id,
            function=function,
            task=task,
            payload=payload or {},
            secret=encrypt(json.dumps(secret).encode(), secret_context(job_id)) if secret else None,
            max_attempts=max_attempts,
            run_at=func.now() + delay,
            announced_at=announcement(delay),
            request_id=current_context().request_id,
            origin=_origin(),
        )
    )
    announce_after_commit(session, function, job_id, delay)
    return job_id


def _origin() -> dict[str, str]:
    """Who asks for it and from where: what the job does is done in their name, and audited so."""
    context = current_context()
    told = {
        "user_id": context.user_id,
        "session_id": context.session_id,
        "api_key_id": context.api_key_id,
        "client_address": context.client_address,
        "user_agent": context.user_agent.replace("\x00", ""),
        "traceparent": tracing.traceparent(),
    }
    return {name: str(value) for name, value in told.items() if value}


def secret_context(job_id: UUID) -> str:
    """Binds a ciphertext to its row."""
    return JOB_SECRET.context(job_id)


def announcement(delay: timedelta) -> Any:  # noqa: ANN401 - an SQL expression or None
    """The value of `announced_at`: when the wake-up is due to arrive; None where none is sent.

    It is written before the message is sent. If that fails, the schedule finds the job due and its
    announcement old.
    """
    if not get_settings().queues or delay.total_seconds() > LONGEST_DELAY:
        return None
    return func.now() + delay


def announce_after_commit(session: Session, function: str, job_id: UUID, delay: timedelta) -> None:
    """Send a wake-up once the transaction is committed, together with its others."""
    seconds = math.ceil(delay.total_seconds())
    if seconds > LONGEST_DELAY:
        return
    if _WAKE_UPS not in session.info:
        session.info[_WAKE_UPS] = []
        after_commit(session, partial(_announce_all, session))
    session.info[_WAKE_UPS].append(
        WakeUp(function, job_id, seconds, tracing.traceparent(), current_context().function)
    )


def _announce_all(session: Session) -> None:
    announce(session.info.pop(_WAKE_UPS, ()))
