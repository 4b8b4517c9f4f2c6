"""Engines, made on first use: one a role and process."""

import re
import select
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from ipaddress import ip_address
from typing import Any, Final

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import QueuePool

from common import metrics, tracing
from common.context import current_context
from common.database.roles import function_url
from common.logs import get_logger
from common.settings import IN_LAMBDA, Settings, get_settings

log = get_logger(__name__)

_SELECT: Final = re.compile(r"\s*select\b", re.IGNORECASE)
_READABLE: Final = select.POLLIN | select.POLLHUP | select.POLLERR


def _needs_tls(url: URL, settings: Settings) -> bool:
    if settings.database_tls is not None:
        return settings.database_tls
    host = url.host or ""
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return "." in host and not host.endswith(".localhost")


@lru_cache(maxsize=4)
def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    # Built once: building one takes longer than a connect.
    return ssl.create_default_context(cafile=ca_file)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a connect, a statement and its wait for a lock may take, in seconds."""

    connect: float
    statement: float
    lock: float

    @classmethod
    def from_settings(cls) -> "Timeouts":
        """What requests get."""
        settings = get_settings()
        return cls(
            settings.database_connect_seconds,
            settings.database_statement_seconds,
            settings.database_lock_seconds,
        )


_OF_A_PROBE: Final = Timeouts(connect=1.0, statement=1.0, lock=1.0)


def _session_parameters(timeouts: Timeouts) -> dict[str, str]:
    return {
        "statement_timeout": str(round(timeouts.statement * 1000)),
        "lock_timeout": str(round(timeouts.lock * 1000)),
        "idle_in_transaction_session_timeout": str(round(timeouts.statement * 2000)),
        "TimeZone": "UTC",
    }


def connect_arguments(url: URL, application: str, timeouts: Timeouts) -> dict[str, Any]:
    """What the driver of `url` wants for timeouts and TLS."""
    settings = get_settings()
    parameters = _session_parameters(timeouts)
    tls = _needs_tls(url, settings)
    if url.get_driver_name() == "pg8000":
        return {
            # None would try TLS without verification and fall back to plaintext.
            "ssl_context": _tls_context(settings.database_ca_file) if tls else False,
            "timeout": timeouts.connect,
            "application_name": application,
            "startup_params": parameters,
        }
    options = " ".join(f"-c {name}={value}" for name, value in parameters.items())
    arguments: dict[str, Any] = {
        "connect_timeout": max(1, round(timeouts.connect)),
        "application_name": application,
        "options": options,
        "sslmode": "verify-full" if tls else "disable",
    }
    if tls:
        arguments["sslrootcert"] = settings.database_ca_file or "system"
    return arguments


def _file_descriptor(connection: Any) -> int:  # noqa: ANN401 - any driver's connection
    socket = getattr(connection, "_usock", None)
    return int(socket.fileno() if socket is not None else connection.fileno())


def _outlast_statements(timeouts: Timeouts, connection: Any, _record: object) -> None:  # noqa: ANN401 - any driver's connection
    # pg8000 has one timeout for connecting and for reading: once connected, the server's own comes first.
    socket = getattr(connection, "_usock", None)
    if socket is not None:
        socket.settimeout(timeouts.statement + timeouts.connect)


def _refuse_dead(connection: Any, _record: object, _proxy: object) -> None:  # noqa: ANN401 - any driver's connection
    """Discard an idle connection that the server has closed, without a round trip.

    Between transactions a server has nothing to say: bytes to read, or an end of file, mean that it has ended
    the connection.
    """
    poller = select.poll()
    try:
        poller.register(_file_descriptor(connection), select.POLLIN)
        dead = any(flags & _READABLE for _, flags in poller.poll(0))
    except (OSError, ValueError, AttributeError):
        dead = True
    if dead:
        raise DisconnectionError("the server has closed this idle connection")


def _note(statement: str, seconds: float) -> None:
    context = current_context()
    context.statements += 1
    context.statement_seconds += seconds
    if seconds * 1000 > get_settings().slow_statement_ms:
        metrics.count(metrics.SLOW_STATEMENTS, function=context.function)
        log.warning(
            "slow_statement",
            statement=" ".join(statement.split())[:500],
            duration_ms=round(seconds * 1000, 1),
            method=context.method,
            route=context.route or context.path,
        )


def _timed(execute: Callable[..., None]) -> Callable[..., None]:
    def run(cursor: Any, statement: str, *rest: object) -> None:  # noqa: ANN401 - any driver's cursor
        if cursor.connection.autocommit and not _SELECT.match(statement):
            raise RuntimeError(
                "an endpoint that reads has sent something else than a select: take Db instead"
            )
        started = time.perf_counter()
        try:
            execute(cursor, statement, *rest)
        except Exception as error:
            if tracing.spans:
                tracing.spans.statement(statement, time.perf_counter() - started, error)
            raise
        seconds = time.perf_counter() - started
        _note(statement, seconds)
        if tracing.spans:
            tracing.spans.statement(statement, seconds, None)

    return run


def build_engine(url: URL, application: str, *, pool_size: int, timeouts: Timeouts | None = None) -> Engine:
    """An engine with our timeouts, limits and measurements on `url`."""
    settings = get_settings()
    timeouts = timeouts or Timeouts.from_settings()
    options: dict[str, Any] = {}
    if url.get_driver_name() == "pg8000":
        from common.database import pipelined

        options["module"] = pipelined
    engine = create_engine(
        url,
        connect_args=connect_arguments(url, application, timeouts),
        pool_size=pool_size,
        # As large as the gate and no larger: see docs/adr.
        max_overflow=0,
        pool_timeout=settings.database_wait_seconds,
        pool_recycle=1800,
        pool_use_lifo=True,
        # An error's text must not carry the values of a statement into a log.
        hide_parameters=True,
        **options,
    )
    event.listen(engine, "connect", partial(_outlast_statements, timeouts))
    event.listen(engine, "checkout", _refuse_dead)
    # At the dialect, not as events of the engine: those cost every connection and every statement more.
    for name in ("do_execute", "do_execute_no_params", "do_executemany"):
        setattr(engine.dialect, name, _timed(getattr(engine.dialect, name)))
    return engine


_engines: dict[str, Engine] = {}
_engines_lock = threading.Lock()


def get_engine(function: str) -> Engine:
    """The engine of `function`, connected as its own role. Nothing connects before the first statement."""
    if engine := _engines.get(function):
        return engine
    size = 1 if IN_LAMBDA else get_settings().database_pool_size
    return _remember(
        function, partial(build_engine, function_url(function), f"lambkin-{function}", pool_size=size)
    )


def connections_in_use(function: str) -> int:
    """The connections of `function`'s pool that somebody works with at this moment."""
    engine = _engines.get(function)
    return engine.pool.checkedout() if engine is not None and isinstance(engine.pool, QueuePool) else 0


def get_probe_engine(function: str) -> Engine:
    """One connection of `function` beside its pool, with short times: a probe takes no request's place."""
    name = f"{function}-probe"
    build = partial(
        build_engine, function_url(function), f"lambkin-{name}", pool_size=1, timeouts=_OF_A_PROBE
    )
    return _engines.get(name) or _remember(name, build)


def _remember(name: str, build: Callable[[], Engine]) -> Engine:
    with _engines_lock:
        if name not in _engines:
            _engines[name] = build()
        return _engines[name]


def dispose_engines() -> None:
    """Close every pool and forget the engines: for tests and for commands that change the settings."""
    with _engines_lock:
        while _engines:
            _engines.popitem()[1].dispose()
