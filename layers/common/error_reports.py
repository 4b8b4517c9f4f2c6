"""Unexpected exceptions, told to Sentry where SENTRY_DSN names one; elsewhere nothing of it is imported.

What a function answers with an AppError is foreseen, and no error. A report holds the exception's class,
where it was raised, and the id of the request, by which the log is found; no body, no header, no address, no
person, no values of variables, and of messages only what a line of the log may hold.
"""

import atexit
import threading
from collections.abc import Mapping
from typing import Any, Final

from common import metrics
from common.context import current_context
from common.logs import get_logger, quotes_values, without_addresses
from common.settings import IN_LAMBDA, SettingsError, get_settings

log = get_logger(__name__)

_FLUSH_SECONDS: Final = 2.0
# Their messages quote rows and values.
_OF_DATABASES: Final = ("sqlalchemy", "pg8000", "psycopg", "common.database")
_LONGEST_MESSAGE: Final = 500
_MISSING: Final = (
    "Lambkin cannot start. SENTRY_DSN is set, and sentry-sdk is not installed: add the dependency group "
    "`errors`, or unset it."
)


class Reporter:
    """The connection to Sentry of this process."""

    def __init__(self) -> None:
        """Nothing is imported yet."""
        self._lock = threading.Lock()
        self._client: Any = None
        self._waiting = False

    def open(self) -> Any:  # noqa: ANN401 - the SDK's types are not there while it is off
        """The SDK's client, made once. Raises SettingsError where it is not installed."""
        with self._lock:
            if self._client is None:
                self._client = _make_client()
                atexit.register(self._client.close, timeout=_FLUSH_SECONDS)
            return self._client

    def send(self, event: dict[str, Any], hint: dict[str, Any]) -> None:
        """Hand an event to the SDK's thread."""
        self.open().capture_event(event, hint)
        self._waiting = True

    def flush(self) -> None:
        """Wait until what was handed over is sent, _FLUSH_SECONDS at most."""
        if self._waiting:
            self._client.flush(timeout=_FLUSH_SECONDS)
            self._waiting = False

    def close(self) -> None:
        """Send what there is, and forget the client."""
        client, self._client = self._client, None
        if client is not None:
            atexit.unregister(client.close)
            client.close(timeout=_FLUSH_SECONDS)


reporter: Final = Reporter()


def start() -> None:
    """Be ready to report, if SENTRY_DSN is set. Raises SettingsError where that cannot be.

    In Lambda the SDK is imported with the first report: a cold start does not pay for it.
    """
    if not get_settings().sentry_dsn:
        return
    if not IN_LAMBDA:
        reporter.open()
        return
    from importlib.util import find_spec

    try:
        found = find_spec("sentry_sdk")
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise SettingsError(_MISSING)


def _make_client() -> Any:  # noqa: ANN401 - as above
    try:
        from sentry_sdk import Client
    except ModuleNotFoundError:
        raise SettingsError(_MISSING) from None
    settings = get_settings()
    return Client(
        dsn=settings.sentry_dsn,
        # None would have the SDK ask git.
        release=settings.release,
        environment=settings.stage,
        # No hook into anything: what is reported is what `report` is given.
        default_integrations=False,
        auto_enabling_integrations=False,
        auto_session_tracking=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        shutdown_timeout=_FLUSH_SECONDS,
    )


def report(error: BaseException, during: str, secret: Mapping[str, Any] | None = None) -> None:
    """Count an exception that nobody foresaw, and tell Sentry. Never raises.

    `during` is `request`, `job`, `sweep` or `event`; what is in `secret` is taken out of messages.
    """
    context = current_context()
    metrics.count(metrics.UNEXPECTED_ERRORS, function=context.function, during=during)
    if not get_settings().sentry_dsn:
        return
    try:
        reporter.send(*_event(error, during, secret or {}))
    except Exception as fault:  # noqa: BLE001 - what tells of errors makes none
        log.warning("report_failed", error=type(fault).__name__)


def _event(
    error: BaseException, during: str, secret: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    from sentry_sdk.utils import event_from_exception

    told, hint = event_from_exception(
        error, client_options=reporter.open().options, mechanism={"type": "lambkin", "handled": False}
    )
    event: dict[str, Any] = dict(told)
    for each in event["exception"]["values"]:
        each["value"] = _message(each.get("module") or "", each.get("value") or "", secret)
    context = current_context()
    place = context.route or (context.path if context.method in ("JOB", "SWEEP") else "")
    tags = {
        "function": context.function,
        "during": during,
        "request_id": context.request_id,
        "trace_id": context.trace_id,
    }
    event["tags"] = {name: value for name, value in tags.items() if value}
    event["transaction"] = f"{context.method} {place}".strip()
    # Left out it would be the machine's name.
    event["server_name"] = context.function
    return event, hint


def _message(module: str, text: str, secret: Mapping[str, Any]) -> str:
    if module.startswith(_OF_DATABASES) or quotes_values(module):
        return ""
    if secret:
        from common.jobs.outcomes import without_secret

        text = without_secret(text, secret)
    return without_addresses(text)[:_LONGEST_MESSAGE]


def flush() -> None:
    """In Lambda, send what was reported before the process is frozen; elsewhere a thread does so."""
    if IN_LAMBDA:
        reporter.flush()
