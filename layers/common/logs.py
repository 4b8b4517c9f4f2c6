"""Structured logs: a static event name and fields, one JSON object a line, or readable on a terminal."""

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, Final

import structlog
from structlog.typing import FilteringBoundLogger, WrappedLogger

from common.context import current_context
from common.settings import get_settings

SECRET_FIELDS: Final = frozenset(
    {
        "password",
        "token",
        "refresh_token",
        "access_token",
        "secret",
        "authorization",
        "cookie",
        "email",
        "address",
        "code",
        "api_key",
    }
)
REDACTED: Final = "[redacted]"
# Modules whose errors have messages that quote what was validated.
_QUOTING: Final = ("pydantic_core", "fastapi.exceptions", "jsonschema_rs")
_OURS: Final = ("common.", "functions.")
# Where nearly every value is something that a person or a model said.
_SPOKEN: Final = ("ai",)
_ADDRESS: Final = re.compile(r"[^\s<>\"',;:()\[\]]+@[^\s<>\"',;:()\[\]]+")


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger; it is configured when the first line is written."""
    logger: FilteringBoundLogger = structlog.get_logger(logger_name=name)
    return logger


def redact(fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank what must not be in a log, at any depth."""
    for key, value in fields.items():
        if key.lower() in SECRET_FIELDS:
            fields[key] = REDACTED
        elif isinstance(value, dict | list | tuple):
            fields[key] = _redacted(value)
    return fields


def _redacted(value: object) -> object:
    if isinstance(value, dict):
        return redact(dict(value))
    return [_redacted(item) for item in value] if isinstance(value, list | tuple) else value


def without_addresses(text: str) -> str:
    """`text` with every mail address blanked."""
    return _ADDRESS.sub(REDACTED, text)


def quotes_values(module: str) -> bool:
    """Whether messages of this module's errors may quote what they are about: no log may hold those.

    Those of validations do. In `ai` all do but our own, whose sentences we know.
    """
    is_spoken = current_context().function in _SPOKEN and not module.startswith(_OURS)
    return is_spoken or module.startswith(_QUOTING)


def trace(error: BaseException) -> list[str]:
    """The last places that an error came through: `file:line function`, without values of any kind."""
    frames = traceback.extract_tb(error.__traceback__)[-5:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def _add_request(_: WrappedLogger, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    context = current_context()
    if context.function:
        event.setdefault("function", context.function)
        event.setdefault("request_id", context.request_id)
        if context.trace_id:
            event.setdefault("trace_id", context.trace_id)
    return redact(event)


class _Stdout:
    """Looks `sys.stdout` up for each line, so that capturing and redirection work."""

    def msg(self, message: str) -> None:
        sys.stdout.write(message + "\n")
        sys.stdout.flush()

    log = debug = info = warning = warn = error = critical = exception = fatal = msg


def configure_logs() -> None:
    """Set the process' logging up; called once by `create_app`, job handlers and commands."""
    settings = get_settings()
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Any] = [
        _add_request,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if settings.log_format == "json":
        # Never with local variables: they hold passwords and tokens.
        transform = structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=20)
        shared += [structlog.processors.ExceptionRenderer(transform), structlog.processors.JSONRenderer()]
    else:
        plain = structlog.dev.plain_traceback
        shared += [structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=plain)]
    structlog.configure(
        processors=shared,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Stdout(),
        cache_logger_on_first_use=False,
    )
