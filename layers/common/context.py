"""What is known of the request or job that is being worked on, for logs, audit and limits."""

import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from common.ids import new_id

if TYPE_CHECKING:
    from common.error_formats import ErrorFormat


@dataclass(slots=True)
class IdempotentRequest:
    """A creating request with an `Idempotency-Key`; see `common.idempotency`."""

    key: str
    fingerprint: bytes
    digest: bytes = b""


@dataclass(slots=True)
class RequestContext:
    """One request or one job.

    `trace_id` is empty where nothing is traced, `started` is a `perf_counter`, `statement_seconds` the
    database's share; `error_format` is what errors are told in, None for problems.
    """

    function: str
    method: str = ""
    path: str = ""
    query: str = ""
    request_id: str = field(default_factory=lambda: str(new_id()))
    client_address: str = ""
    user_agent: str = ""
    route: str = ""
    success_status: int = 200
    idempotency: "IdempotentRequest | None" = None
    user_id: UUID | None = None
    session_id: UUID | None = None
    api_key_id: UUID | None = None
    cold_start: bool = False
    started: float = field(default_factory=time.perf_counter)
    trace_id: str = ""
    statements: int = 0
    statement_seconds: float = 0.0
    response_headers: dict[str, str] = field(default_factory=dict)
    error_format: "ErrorFormat | None" = None


_current: ContextVar[RequestContext | None] = ContextVar("lambkin_request", default=None)


def current_context() -> RequestContext:
    """The context of this request or job; outside of both, an empty one."""
    return _current.get() or RequestContext(function="")


def enter_context(context: RequestContext) -> None:
    """Make `context` the current one for this task and the threads that work for it."""
    _current.set(context)
