"""Counters and durations of this process, in the text format of Prometheus.

No client library: this is all of the format that is used, and it costs no import. In Lambda, where nobody
can scrape, the lines of the access log carry the same numbers.
"""

import threading
from bisect import bisect_left
from collections import defaultdict
from itertools import accumulate
from typing import Final

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

type Labels = tuple[tuple[str, str], ...]

_lock = threading.Lock()
_counters: defaultdict[str, defaultdict[Labels, float]] = defaultdict(lambda: defaultdict(float))
_durations: defaultdict[str, dict[Labels, list[float]]] = defaultdict(dict)


def count(name: str, amount: float = 1, **labels: str) -> None:
    """Add to the counter `name`, which ends in `_total`."""
    key = tuple(sorted(labels.items()))
    with _lock:
        _counters[name][key] += amount


def observe(name: str, seconds: float, **labels: str) -> None:
    """Add one duration to the histogram `name`, which ends in `_seconds`."""
    key = tuple(sorted(labels.items()))
    with _lock:
        cells = _durations[name].setdefault(key, [0.0] * (len(BUCKETS) + 2))
        cells[bisect_left(BUCKETS, seconds)] += 1
        cells[-1] += seconds


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _line(name: str, labels: Labels, value: float) -> str:
    inner = ",".join(f'{key}="{_escape(text)}"' for key, text in labels)
    return f"{name}{{{inner}}} {value:g}" if inner else f"{name} {value:g}"


def render(**gauges: float) -> str:
    """All of it as `text/plain; version=0.0.4`, with `gauges` that are read at this moment."""
    lines: list[str] = []
    with _lock:
        for name, series in sorted(_counters.items()):
            lines.append(f"# TYPE {name} counter")
            lines += [_line(name, labels, value) for labels, value in sorted(series.items())]
        for name, histogram in sorted(_durations.items()):
            lines.append(f"# TYPE {name} histogram")
            for labels, cells in sorted(histogram.items()):
                totals = list(accumulate(cells[:-1]))
                bounds = zip((*map(str, BUCKETS), "+Inf"), totals, strict=True)
                lines += [_line(f"{name}_bucket", (*labels, ("le", le)), value) for le, value in bounds]
                lines += [_line(f"{name}_sum", labels, cells[-1]), _line(f"{name}_count", labels, totals[-1])]
    for name, value in sorted(gauges.items()):
        lines += [f"# TYPE {name} gauge", _line(name, (), value)]
    return "\n".join(lines) + "\n"
