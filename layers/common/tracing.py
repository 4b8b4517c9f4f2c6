"""Traces by OpenTelemetry where the environment asks for them; elsewhere nothing of it is imported.

What asks for them is the standard's: OTEL_EXPORTER_OTLP_ENDPOINT, or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT. The
SDK reads all its other variables itself. `spans` is None while traces are off: who makes spans looks first.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final

from common.settings import IN_LAMBDA, SettingsError

if TYPE_CHECKING:
    from common.jobs.claims import Claim
    from common.spans import Spans

_NOTHING: Final = nullcontext()

spans: "Spans | None" = None


def is_wanted() -> bool:
    """Whether the environment asks for traces (OpenTelemetry, "Environment Variable Specification")."""
    given = os.environ
    endpoint = given.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or given.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    disabled = given.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return bool(endpoint) and not disabled and given.get("OTEL_TRACES_EXPORTER", "otlp").strip() != "none"


def start() -> None:
    """Begin to trace in this process, if that is wanted. Raises SettingsError where it cannot."""
    global spans  # noqa: PLW0603 - one for the process, and None costs a request next to nothing
    if spans is not None or not is_wanted():
        return
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"
    )
    if protocol != "http/protobuf":
        raise SettingsError(
            "Lambkin cannot start. OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf, whose port is 4318."
        )
    try:
        from common.spans import Spans
    except ModuleNotFoundError as error:
        raise SettingsError(
            "Lambkin cannot start. OTEL_EXPORTER_OTLP_ENDPOINT asks for traces, and OpenTelemetry is not "
            f"installed ({error.name}): add the dependency group `tracing`, or unset it."
        ) from None
    spans = Spans(in_lambda=IN_LAMBDA)


def stop() -> None:
    """Send what there is, and trace no more: for tests, and for the end of a process."""
    global spans
    ending, spans = spans, None
    if ending is not None:
        ending.shutdown()


def flush() -> None:
    """In Lambda, send what there is before the process is frozen; elsewhere a thread does so by itself."""
    if IN_LAMBDA and spans is not None:
        spans.flush()


def traceparent() -> str:
    """What to send along, so that what follows belongs to this trace (W3C Trace Context); or empty."""
    return spans.traceparent() if spans is not None else ""


def job(held: "Claim") -> AbstractContextManager[None]:
    """The span of an attempt at a job, in the trace of the request that asked for it."""
    return spans.job(held) if spans is not None else _NOTHING


def messages(function: str, carried: Iterable[str]) -> AbstractContextManager[None]:
    """The span of a batch of messages, with links to where they were sent."""
    return spans.messages(function, carried) if spans is not None else _NOTHING


def sending(function: str, sender: str, carried: Sequence[str]) -> AbstractContextManager[None]:
    """The span of sending wake-ups from `sender` to the queue of `function`."""
    return spans.sending(function, sender, carried) if spans is not None else _NOTHING


def call(name: str, **attributes: str | int) -> AbstractContextManager[None]:
    """The span of a call to another service."""
    return spans.call(name, attributes) if spans is not None else _NOTHING
