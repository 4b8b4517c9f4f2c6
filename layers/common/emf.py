"""Metrics in Lambda: one line of the log a request or job, in CloudWatch's Embedded Metric Format.

CloudWatch takes the numbers out of the log by itself, so nothing is sent. It is paid by the metric, which
there is a name with the values of its dimensions: the only dimension is the function (docs/adr/0024).
"""

import json
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from common.settings import get_settings

if TYPE_CHECKING:
    from common.metrics import Key, Metric, Reading

# The format's own: CloudWatch takes no more values of a metric from one line.
MOST_VALUES: Final = 100


class Embedded:
    """What was recorded since the last line."""

    def __init__(self) -> None:
        """Threads record as well: the one that sends wake-ups."""
        self._lock = threading.Lock()
        self._values: dict[str, float | list[float]] = {}
        self._units: dict[str, str] = {}

    def count(self, metric: "Metric", key: "Key", amount: float) -> None:
        """Add to a counter."""
        if metric.cloudwatch:
            name = _name(metric, key)
            with self._lock:
                total = self._values.get(name, 0)
                self._values[name] = total + amount if isinstance(total, int | float) else amount
                self._units[name] = metric.unit

    def observe(self, metric: "Metric", key: "Key", value: float) -> None:
        """Keep one observation."""
        if metric.cloudwatch:
            name = _name(metric, key)
            with self._lock:
                kept = self._values.setdefault(name, [])
                if isinstance(kept, list) and len(kept) < MOST_VALUES:
                    kept.append(round(value, 6))
                self._units[name] = metric.unit

    def gauge(self, metric: "Metric", key: "Key", value: "float | Reading") -> None:
        """Set a gauge."""
        if metric.cloudwatch:
            name = _name(metric, key)
            with self._lock:
                self._values[name] = value() if callable(value) else value
                self._units[name] = metric.unit

    def flush(self, function: str, request_id: str) -> None:
        """Write the line, if there is anything to tell. It is no log line: LOG_LEVEL does not hide it."""
        with self._lock:
            values, self._values = self._values, {}
            units, self._units = self._units, {}
        if values:
            line = document(values, units, function, request_id)
            sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
            sys.stdout.flush()

    def render(self) -> str:
        """Nothing: nobody can scrape a Lambda function."""
        return ""


def _name(metric: "Metric", key: "Key") -> str:
    if not metric.split:
        return metric.cloudwatch
    return f"{metric.cloudwatch}_{key[metric.labels.index(metric.split)]}"


def document(
    values: dict[str, float | list[float]], units: dict[str, str], function: str, request_id: str
) -> dict[str, Any]:
    """The members of one line: CloudWatch, User Guide, "Specification: Embedded metric format"."""
    directive = {
        "Namespace": f"Lambkin/{get_settings().stage}",
        "Dimensions": [["function"]],
        "Metrics": [{"Name": name, "Unit": units[name]} for name in values],
    }
    told = {"request_id": request_id} if request_id else {}
    return {
        "_aws": {"Timestamp": round(time.time() * 1000), "CloudWatchMetrics": [directive]},
        "function": function,
        **told,
        **{
            name: value[0] if isinstance(value, list) and len(value) == 1 else value
            for name, value in values.items()
        },
    }
