"""The spans of Lambkin. Only `common.tracing` imports this, where traces are on.

Names and attributes follow OpenTelemetry's semantic conventions. None holds a value of a request, a
statement's parameters, an address or a path: what they tell is which operation, how long, and how it ended.
"""

import atexit
import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as active
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from common.context import RequestContext, current_context
from common.logs import get_logger
from common.settings import get_settings

if TYPE_CHECKING:
    from common.jobs.claims import Claim

log = get_logger(__name__)

# In Lambda a caller waits for it: a collector belongs beside the function.
_LAMBDA_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 30.0
_SHUTDOWN_SECONDS: Final = 3.0
_LONGEST_STATEMENT: Final = 2000
_TIMEOUTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
# Asked every few seconds by whoever watches: they would be most of what is paid for.
_UNTRACED: Final = ("/livez", "/readyz", "/metrics", "/v1/health/ready")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PROPAGATOR: Final = TraceContextTextMapPropagator()

# The thread that sends wake-ups works for requests, and is in none.
_SENDER: Final[ContextVar[str]] = ContextVar("lambkin_sender", default="")

type Attributes = Mapping[str, str | int | bool]


class _Told(logging.Handler):
    """The SDK's complaints, as lines of our log: spans that could not be sent, most of all."""

    def emit(self, record: logging.LogRecord) -> None:
        log.warning("tracing_failed", error=record.getMessage()[:300])


class RequestSpan:
    """The open span of one request."""

    def __init__(self, span: Span) -> None:
        """It is the current one until `close`."""
        self._span = span
        self._token = active.attach(set_span_in_context(span))

    def close(self, method: str, route: str, status: int) -> None:
        """End it: only now the route is known."""
        self._span.update_name(f"{method} {route}" if route else method)
        self._span.set_attribute("http.response.status_code", status)
        if route:
            self._span.set_attribute("http.route", route)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._span.set_attribute("error.type", str(status))
            self._span.set_status(Status(StatusCode.ERROR))
        active.detach(self._token)
        self._span.end()


class Spans:
    """Makes spans, and sends them to where the environment says; one for the process."""

    def __init__(self, *, in_lambda: bool) -> None:
        """The SDK reads its own variables: where to, which of them, how many at a time."""
        own_timeout = in_lambda and not any(os.environ.get(name) for name in _TIMEOUTS)
        self._in_lambda = in_lambda
        self._processor = BatchSpanProcessor(
            OTLPSpanExporter(timeout=_LAMBDA_SECONDS if own_timeout else None)
        )
        self._tracers: dict[str, Tracer] = {}
        self._not_before = 0.0
        complaints = logging.getLogger("opentelemetry")
        complaints.handlers[:] = [_Told(logging.WARNING)]
        complaints.propagate = False
        atexit.register(self.shutdown)

    def _tracer(self, function: str) -> Tracer:
        # A provider a function, as in one process of all of them each is a service of its own.
        if function not in self._tracers:
            provider = TracerProvider(resource=_resource(function), shutdown_on_exit=False)
            provider.add_span_processor(self._processor)
            self._tracers[function] = provider.get_tracer("lambkin", get_settings().release)
        return self._tracers[function]

    def request(self, context: RequestContext, carried: Mapping[str, str]) -> RequestSpan | None:
        """The span of a request; None for one that only asks whether we are well.

        `carried` are the headers of W3C Trace Context, where they come from somebody who is believed.
        """
        if context.path.endswith(_UNTRACED):
            return None
        attributes: dict[str, str | bool] = {
            "http.request.method": context.method if context.method in _METHODS else "_OTHER",
            "url.scheme": get_settings().public_url.partition(":")[0],
            "lambkin.request_id": context.request_id,
        }
        if self._in_lambda:
            attributes["faas.coldstart"] = context.cold_start
        parent = _PROPAGATOR.extract(carried, active.Context())
        span = self._tracer(context.function).start_span(
            context.method, parent, SpanKind.SERVER, attributes=attributes
        )
        context.trace_id = _trace_id(span)
        return RequestSpan(span)

    def statement(self, text: str, seconds: float, error: BaseException | None) -> None:
        """A statement that has just ended, with its text as it was sent: values are not in it."""
        if not get_current_span().is_recording():
            # What nobody asked for, as a look for jobs every second, makes no trace of its own.
            return
        text = " ".join(text.split())
        operation = text.partition(" ")[0].upper()
        end = time.time_ns()
        span = self._tracer(current_context().function).start_span(
            operation,
            kind=SpanKind.CLIENT,
            start_time=end - round(seconds * 1e9),
            attributes={
                "db.system.name": "postgresql",
                "db.operation.name": operation,
                "db.query.text": text[:_LONGEST_STATEMENT],
            },
        )
        if error is not None:
            _fail(span, error)
        span.end(end)

    @contextmanager
    def call(self, name: str, attributes: Attributes) -> Iterator[None]:
        """A call to another service, within a trace that there is."""
        if not get_current_span().is_recording():
            yield
            return
        tracer = self._tracer(current_context().function)
        with _current(tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)):
            yield

    @contextmanager
    def job(self, held: "Claim") -> Iterator[None]:
        """An attempt at a job: in the trace of who enqueued it, linked to the batch that woke it up."""
        waking = get_current_span().get_span_context()
        span = self._tracer(held.function).start_span(
            f"job {held.task}",
            _PROPAGATOR.extract({"traceparent": held.origin.get("traceparent", "")}, active.Context()),
            SpanKind.CONSUMER,
            attributes={
                "lambkin.job.task": held.task,
                "lambkin.job.attempt": held.attempt,
                "lambkin.job.id": str(held.id),
                "lambkin.request_id": held.request_id,
            },
            links=[Link(waking)] if waking.is_valid else (),
        )
        with _current(span):
            current_context().trace_id = _trace_id(span)
            yield

    @staticmethod
    def job_failed(error: BaseException) -> None:
        """The job of the current span ended with `error`."""
        _fail(get_current_span(), error)

    @contextmanager
    def messages(self, function: str, carried: Iterable[str]) -> Iterator[None]:
        """A batch that a queue delivered; each message may come from another trace, so these are links."""
        attributes = _queue(function) | {"messaging.operation.name": "process"}
        with _current(
            self._tracer(function).start_span(
                f"process {attributes['messaging.destination.name']}",
                active.Context(),
                SpanKind.CONSUMER,
                attributes=attributes,
                links=_links(carried),
            )
        ):
            yield

    @contextmanager
    def sending(self, function: str, sender: str, carried: Sequence[str]) -> Iterator[None]:
        """Wake-ups from `sender` on their way: in the trace of the first, with links to the others'."""
        links = _links(carried)
        if not links:
            yield
            return
        attributes = _queue(function) | {"messaging.operation.name": "send"}
        parent = _PROPAGATOR.extract({"traceparent": carried[0]}, active.Context())
        span = self._tracer(sender).start_span(
            f"send {attributes['messaging.destination.name']}",
            parent,
            SpanKind.PRODUCER,
            attributes=attributes,
            links=links,
        )
        token = _SENDER.set(sender)
        try:
            with _current(span):
                yield
        finally:
            _SENDER.reset(token)

    def watch(self, client: Any) -> None:  # noqa: ANN401 - boto3's clients have no types
        """A span for each call of a boto3 client, by its own events."""
        client.meta.events.register("before-call", self._aws_begins)
        client.meta.events.register("after-call", _aws_ends)
        client.meta.events.register("after-call-error", _aws_ends)

    def _aws_begins(self, model: Any, context: dict[str, Any], **_: object) -> None:  # noqa: ANN401 - botocore has no types
        if get_current_span().is_recording():
            service = model.service_model.service_id
            context["lambkin_span"] = self._tracer(current_context().function or _SENDER.get()).start_span(
                f"{service}/{model.name}",
                kind=SpanKind.CLIENT,
                attributes={"rpc.system": "aws-api", "rpc.service": service, "rpc.method": model.name},
            )

    @staticmethod
    def traceparent() -> str:
        """The current span, as W3C Trace Context has it."""
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        return carrier.get("traceparent", "")

    def flush(self) -> None:
        """Send what there is; after a failure that took long, not before a while is over."""
        began = time.monotonic()
        if began >= self._not_before:
            self._processor.force_flush()
            if time.monotonic() - began > _LAMBDA_SECONDS / 2:
                self._not_before = time.monotonic() + _PAUSE_SECONDS

    def shutdown(self) -> None:
        """Send what there is, for _SHUTDOWN_SECONDS at most: a collector that is away holds up no end."""
        atexit.unregister(self.shutdown)
        ending = threading.Thread(target=self._processor.shutdown, name="last-spans", daemon=True)
        ending.start()
        ending.join(_SHUTDOWN_SECONDS)


def _resource(function: str) -> Resource:
    settings = get_settings()
    ours = {
        "service.name": f"lambkin-{function}" if function else "lambkin",
        "service.namespace": "lambkin",
        "service.version": settings.release,
        "deployment.environment.name": settings.stage,
        "faas.name": os.environ.get("AWS_LAMBDA_FUNCTION_NAME", ""),
    }
    given = Resource.create({name: value for name, value in ours.items() if value})
    # OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME have the last word.
    return given.merge(OTELResourceDetector().detect())


def _trace_id(span: Span) -> str:
    # One that is not sampled leads nowhere.
    return format(span.get_span_context().trace_id, "032x") if span.is_recording() else ""


def _queue(function: str) -> dict[str, str]:
    name = get_settings().queue_prefix + function
    return {"messaging.system": "aws_sqs", "messaging.destination.name": name}


def _links(carried: Iterable[str]) -> list[Link]:
    contexts = (
        get_current_span(_PROPAGATOR.extract({"traceparent": each}, active.Context())).get_span_context()
        for each in carried
    )
    return [Link(each) for each in contexts if each.is_valid]


@contextmanager
def _current(span: Span) -> Iterator[None]:
    token = active.attach(set_span_in_context(span))
    try:
        yield
    except Exception as error:
        _fail(span, error)
        raise
    finally:
        active.detach(token)
        span.end()


def _fail(span: Span, error: BaseException) -> None:
    # Its class alone: a message may quote what must not leave.
    span.set_attribute("error.type", type(error).__qualname__)
    span.set_status(Status(StatusCode.ERROR))


def _aws_ends(
    context: dict[str, Any],
    parsed: dict[str, Any] | None = None,
    exception: BaseException | None = None,
    **_: object,
) -> None:
    span = context.pop("lambkin_span", None)
    if span is None:
        return
    answered = (parsed or {}).get("ResponseMetadata", {})
    if status := answered.get("HTTPStatusCode"):
        span.set_attribute("http.response.status_code", status)
    if request_id := answered.get("RequestId"):
        span.set_attribute("aws.request_id", request_id)
    if exception is not None:
        _fail(span, exception)
    elif code := (parsed or {}).get("Error", {}).get("Code"):
        span.set_attribute("error.type", code)
        span.set_status(Status(StatusCode.ERROR))
    span.end()
