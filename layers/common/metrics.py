"""What is counted, and the one way to count it: declared here, so that a typo in a name or a label fails.

A server shows its numbers at `/metrics` (`common.exposition`); in Lambda, where nobody can scrape, one line
of the log carries those of a request or job to CloudWatch (`common.emf`). docs/operations.md tells what each
means. Labels are of few values: a route's template and never a path, an outcome and never a message.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal, Protocol

from common.settings import IN_LAMBDA

type Key = tuple[str, ...]
type Reading = Callable[[], float]

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LONG_SECONDS: Final = (0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0)


class Metric:
    """One declared metric.

    `cloudwatch` is its name there, empty where it is not sent: CloudWatch is paid by the metric. `split` is
    the label whose values become metrics of their own there; the others are summed up.
    """

    __slots__ = ("bounds", "cloudwatch", "kind", "labels", "meaning", "name", "split", "unit")

    def __init__(  # noqa: PLR0913 - a declaration says all of it, by name
        self,
        name: str,
        kind: Literal["counter", "gauge", "histogram"],
        meaning: str,
        labels: Key = (),
        *,
        unit: Literal["Count", "Seconds"] = "Count",
        cloudwatch: str = "",
        split: str = "",
        bounds: tuple[float, ...] = (),
    ) -> None:
        """`bounds` are the upper ones of a histogram's buckets."""
        self.name, self.kind, self.meaning, self.labels = name, kind, meaning, labels
        self.unit, self.cloudwatch, self.split, self.bounds = unit, cloudwatch, split, bounds
        METRICS[name] = self

    def key(self, given: Mapping[str, str]) -> Key:
        """The labels' values in their declared order. Raises ValueError for other labels than declared."""
        try:
            found = tuple(map(given.__getitem__, self.labels))
        except KeyError:
            found = None
        if found is None or len(given) != len(found):
            raise ValueError(f"{self.name} has the labels {self.labels}, and not {tuple(given)}")
        return found


METRICS: Final[dict[str, Metric]] = {}
"""All of them by name."""

REQUESTS: Final = Metric(
    "lambkin_requests_total", "counter", "Requests that were answered.",
    ("function", "method", "route", "status"), cloudwatch="requests",
)  # fmt: skip
REQUEST_SECONDS: Final = Metric(
    "lambkin_request_seconds", "histogram", "How long requests took, from the edge and back.",
    ("function", "method", "route"), unit="Seconds", cloudwatch="request_seconds", bounds=_SECONDS,
)  # fmt: skip
UNEXPECTED_ERRORS: Final = Metric(
    "lambkin_unexpected_errors_total", "counter", "Exceptions that nobody foresaw: faults of ours.",
    ("function", "during"), cloudwatch="unexpected_errors",
)  # fmt: skip
COLD_STARTS: Final = Metric(
    "lambkin_cold_starts_total", "counter", "Processes that served their first request.",
    ("function",), cloudwatch="cold_starts",
)  # fmt: skip
PROCESS_START: Final = Metric(
    "process_start_time_seconds", "gauge", "When this process started, in seconds since 1970.", unit="Seconds"
)
RATE_LIMITED: Final = Metric(
    "lambkin_rate_limited_total", "counter", "Requests refused by a rate limit or a growing delay.",
    ("limit",), cloudwatch="rate_limited",
)  # fmt: skip
PASSWORD_HASHES: Final = Metric("lambkin_password_hashes_total", "counter", "Passwords hashed or verified.")

POOL_SIZE: Final = Metric(
    "lambkin_database_pool_size", "gauge", "Connections that the pool may hold, and places at the gate.",
    ("function",),
)  # fmt: skip
POOL_IN_USE: Final = Metric(
    "lambkin_database_connections_in_use", "gauge", "Connections of the pool that somebody works with.",
    ("function",),
)  # fmt: skip
GATE_WAITING: Final = Metric(
    "lambkin_gate_waiting", "gauge", "Requests that wait at the gate for a connection.", ("function",)
)
GATE_WAIT_SECONDS: Final = Metric(
    "lambkin_gate_wait_seconds", "histogram", "How long those waited that found the gate closed.",
    ("function",), unit="Seconds", bounds=_SECONDS,
)  # fmt: skip
GATE_REFUSALS: Final = Metric(
    "lambkin_gate_refusals_total", "counter", "Requests that waited in vain, and got 503.", ("function",)
)
TRANSACTION_RETRIES: Final = Metric(
    "lambkin_transaction_retries_total", "counter", "Transactions repeated after a conflict or a lost link.",
    ("function",), cloudwatch="transaction_retries",
)  # fmt: skip
SLOW_STATEMENTS: Final = Metric(
    "lambkin_slow_statements_total", "counter", "Statements slower than SLOW_STATEMENT_MS.",
    ("function",), cloudwatch="slow_statements",
)  # fmt: skip

JOBS: Final = Metric(
    "lambkin_jobs_total", "counter", "Attempts at jobs, by how they ended: done, retried, dead or lost.",
    ("function", "task", "outcome"), cloudwatch="jobs", split="outcome",
)  # fmt: skip
JOB_SECONDS: Final = Metric(
    "lambkin_job_seconds", "histogram", "How long attempts at jobs took.",
    ("function", "task"), unit="Seconds", cloudwatch="job_seconds", bounds=_LONG_SECONDS,
)  # fmt: skip
QUEUE_AGE: Final = Metric(
    "lambkin_queue_age_seconds", "gauge", "How long the job that is due the longest has waited.",
    ("function",), unit="Seconds", cloudwatch="queue_age_seconds",
)  # fmt: skip
QUEUE_DEPTH: Final = Metric(
    "lambkin_queue_depth", "gauge", "Jobs that are due and wait; 10000 stands for that many or more.",
    ("function",), cloudwatch="queue_depth",
)  # fmt: skip
DEAD_JOBS: Final = Metric(
    "lambkin_dead_jobs", "gauge", "Jobs that failed for good; 10000 stands for that many or more.",
    ("function",), cloudwatch="dead_jobs",
)  # fmt: skip
SWEEP_FAILURES: Final = Metric(
    "lambkin_sweep_failures_total", "counter", "Sweeps that raised; the next tick tries again.",
    ("function", "sweep"), cloudwatch="sweep_failures",
)  # fmt: skip
WAKE_UPS_LOST: Final = Metric(
    "lambkin_wake_ups_lost_total", "counter", "Messages to the queue of `function` that were not sent.",
    ("function",), cloudwatch="wake_ups_lost",
)  # fmt: skip
MALFORMED_MESSAGES: Final = Metric(
    "lambkin_malformed_messages_total", "counter", "Messages that name no job, and were dropped.",
    ("function",), cloudwatch="malformed_messages",
)  # fmt: skip
MAILS: Final = Metric(
    "lambkin_mails_total", "counter", "Attempts at mails: sent, refused for good, or failed for now.",
    ("template", "outcome"), cloudwatch="mails", split="outcome",
)  # fmt: skip
OLLAMA_BREAKER: Final = Metric(
    "lambkin_ollama_breaker", "gauge", "Whether Ollama is asked: 0 yes, 1 once to see, 2 not for now."
)
AI_RUNNING: Final = Metric("lambkin_ai_running", "gauge", "Requests of this process that a model works for.")
AI_WAITING: Final = Metric(
    "lambkin_ai_waiting", "gauge", "Requests of this process that wait for their turn."
)
AI_REFUSALS: Final = Metric(
    "lambkin_ai_refusals_total", "counter", "Requests to models that were refused: busy, or over a quota.",
    ("reason",), cloudwatch="ai_refusals", split="reason",
)  # fmt: skip
SERIES_DROPPED: Final = Metric(
    "lambkin_series_dropped_total", "counter", "Counts given up: their metric has too many series.",
    ("metric",),
)  # fmt: skip


class Recorder(Protocol):
    """Where the numbers go."""

    def count(self, metric: Metric, key: Key, amount: float) -> None:
        """Add to a counter."""

    def observe(self, metric: Metric, key: Key, value: float) -> None:
        """Add one observation to a histogram."""

    def gauge(self, metric: Metric, key: Key, value: float | Reading) -> None:
        """Set a gauge, or say how to read it."""

    def flush(self, function: str, request_id: str) -> None:
        """Write down what was recorded for one request or job."""

    def render(self) -> str:
        """All that there is, as text for Prometheus."""


def _make_recorder() -> Recorder:
    if IN_LAMBDA:
        from common.emf import Embedded

        return Embedded()
    from common.exposition import Registry

    return Registry()


_recorder: Final = _make_recorder()


def count(metric: Metric, amount: float = 1, **labels: str) -> None:
    """Add to a counter. Raises ValueError for other labels than declared, as the other two do."""
    _recorder.count(metric, metric.key(labels), amount)


def observe(metric: Metric, value: float, **labels: str) -> None:
    """Add one observation, in the metric's unit, to a histogram."""
    _recorder.observe(metric, metric.key(labels), value)


def gauge(metric: Metric, value: float | Reading, **labels: str) -> None:
    """Set a gauge; a callable is asked each time that somebody looks."""
    _recorder.gauge(metric, metric.key(labels), value)


def flush(function: str, request_id: str = "") -> None:
    """The end of a request or job: in Lambda, write the line that carries its numbers; elsewhere nothing."""
    _recorder.flush(function, request_id)


def render() -> str:
    """All of it in Prometheus' text format, version 0.0.4; empty in Lambda."""
    return _recorder.render()
