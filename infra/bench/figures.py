"""What was measured: figures, each beside its reference of the same run, as a table and as JSON."""

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure.

    `ours` and `reference` are in `unit`; `ratio` is what the target speaks of, mostly ours / reference.
    `target` is a bound for `ratio`, upper unless `at_least`; without one the figure only informs.
    """

    group: str
    name: str
    unit: str
    ours: float
    reference: float | None = None
    ratio: float | None = None
    target: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        if self.target is None or self.ratio is None:
            return None
        return self.ratio >= self.target if self.at_least else self.ratio <= self.target


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of one measure and what must be known to read them."""

    title: str
    figures: list[Figure]
    columns: tuple[str, str] = ("ours", "hello")
    notes: list[str] = field(default_factory=list)


def middle(ratios: Iterable[float]) -> float:
    """The median: one round that something else disturbed does not count."""
    return median(ratios)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the values are; 0 where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _verdict(figure: Figure) -> str:
    if figure.target is None:
        return ""
    bound = f"{'≥' if figure.at_least else '≤'} {figure.target:g}"
    return f"{bound}  {'met' if figure.met else 'MISSED'}"


def _cells(figure: Figure) -> tuple[str, ...]:
    return (
        f"  {figure.name}",
        figure.unit,
        _number(figure.ours),
        _number(figure.reference),
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        _verdict(figure),
    )


def table(result: Result) -> str:
    """The result for a terminal."""
    rows: list[tuple[str, ...]] = [("", "unit", *result.columns, "ratio", "target")]
    group = ""
    for figure in result.figures:
        if figure.group != group:
            group = figure.group
            rows.append((group, "", "", "", "", ""))
        rows.append(_cells(figure))
    # A group's heading may be longer than any name: it has its line to itself.
    widths = [max(len(row[column]) for row in rows if column or row[1]) for column in range(len(rows[0]))]
    lines = [result.title, "=" * len(result.title)]
    for name, unit, *numbers, verdict in rows:
        right = "  ".join(text.rjust(width) for text, width in zip(numbers, widths[2:-1], strict=True))
        lines.append(f"{name:<{widths[0]}}  {unit:<{widths[1]}}  {right}  {verdict}".rstrip())
    return "\n".join([*lines, *(f"  {note}" for note in result.notes)])


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
    }


def write_json(path: Path, results: Sequence[Result]) -> None:
    """All figures as JSON: `{"machine": …, "results": [{"title", "notes", "figures": […]}]}`."""
    document = {
        "machine": machine(),
        "results": [
            asdict(result) | {"figures": [asdict(figure) | {"met": figure.met} for figure in result.figures]}
            for result in results
        ],
    }
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
