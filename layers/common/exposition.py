"""The numbers of this process in the text format of Prometheus, for servers.

No client library: this is all of the format that is used, and it costs no import. One process has one
registry: a container runs one worker, and more of them are more containers, each scraped by itself.
"""

import math
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from common.metrics import Key, Metric, Reading

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
MOST_SERIES: Final = 2000


class Registry:
    """Every series of this process, at most MOST_SERIES of a metric."""

    def __init__(self) -> None:
        """It knows when it was made, which is when its process started."""
        self._started = time.time()
        self._lock = threading.Lock()
        self._series: dict[Metric, dict[Key, float]] = {}
        self._histograms: dict[Metric, dict[Key, list[float]]] = {}
        self._gauges: dict[Metric, dict[Key, float | Reading]] = {}

    def count(self, metric: "Metric", key: "Key", amount: float) -> None:
        """Add to a counter."""
        with self._lock:
            self._add(metric, key, amount)

    def _add(self, metric: "Metric", key: "Key", amount: float) -> None:
        series = self._series.get(metric)
        if series is None:
            series = self._series.setdefault(metric, {})
        if key in series:
            series[key] += amount
        elif len(series) < MOST_SERIES:
            series[key] = amount
        else:
            self._drop(metric)

    def observe(self, metric: "Metric", key: "Key", value: float) -> None:
        """Add one observation to a histogram."""
        with self._lock:
            series = self._histograms.get(metric)
            if series is None:
                series = self._histograms.setdefault(metric, {})
            cells = series.get(key)
            if cells is None:
                if len(series) >= MOST_SERIES:
                    self._drop(metric)
                    return
                cells = series[key] = [0.0] * (len(metric.bounds) + 2)
            cells[bisect_left(metric.bounds, value)] += 1
            cells[-1] += value

    def _drop(self, metric: "Metric") -> None:
        # A label of endless values must not take all memory; that it was given up is itself counted.
        from common.metrics import SERIES_DROPPED

        self._add(SERIES_DROPPED, (metric.name,), 1)

    def gauge(self, metric: "Metric", key: "Key", value: "float | Reading") -> None:
        """Set a gauge, or say how to read it."""
        with self._lock:
            self._gauges.setdefault(metric, {})[key] = value

    def flush(self, function: str, request_id: str) -> None:
        """Nothing: whoever wants the numbers comes for them."""

    def render(self) -> str:
        """All of it, the metrics in the order of their names."""
        from common.metrics import PROCESS_START

        self.gauge(PROCESS_START, (), self._started)
        lines: list[str] = []
        with self._lock:
            counters = {metric: dict(series) for metric, series in self._series.items()}
            histograms = {
                metric: {key: list(cells) for key, cells in series.items()}
                for metric, series in self._histograms.items()
            }
            gauges = {metric: dict(series) for metric, series in self._gauges.items()}
        for metric in sorted({*counters, *histograms, *gauges}, key=lambda metric: metric.name):
            lines += (f"# HELP {metric.name} {metric.meaning}", f"# TYPE {metric.name} {metric.kind}")
            lines += _plain(metric, counters.get(metric, {}))
            lines += _buckets(metric, histograms.get(metric, {}))
            lines += _plain(metric, _read(gauges.get(metric, {})))
        return "\n".join(lines) + "\n"


def _read(gauges: "dict[Key, float | Reading]") -> "dict[Key, float]":
    values: dict[Key, float] = {}
    for key, value in gauges.items():
        # One reading that fails must not cost the scrape.
        with suppress(Exception):
            values[key] = value() if callable(value) else value
    return values


def _plain(metric: "Metric", series: "dict[Key, float]") -> Iterator[str]:
    for key, value in sorted(series.items()):
        yield _line(metric.name, _labels(metric, key), value)


def _buckets(metric: "Metric", series: "dict[Key, list[float]]") -> Iterator[str]:
    for key, cells in sorted(series.items()):
        labels = _labels(metric, key)
        totals = list(accumulate(cells[:-1]))
        for bound, total in zip((*metric.bounds, math.inf), totals, strict=True):
            yield _line(f"{metric.name}_bucket", [*labels, f'le="{_number(bound)}"'], total)
        yield _line(f"{metric.name}_sum", labels, cells[-1])
        yield _line(f"{metric.name}_count", labels, totals[-1])


def _labels(metric: "Metric", key: "Key") -> list[str]:
    return [f'{name}="{_escape(text)}"' for name, text in zip(metric.labels, key, strict=True)]


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _line(name: str, labels: list[str], value: float) -> str:
    inner = ",".join(labels)
    return f"{name}{{{inner}}} {_number(value)}" if inner else f"{name} {_number(value)}"


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    # Never shortened: a counter beyond a million must still show that it grows by one.
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
