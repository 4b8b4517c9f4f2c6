"""Whoever counts names the labels that are declared: a typo is found before it is counted."""

import ast
from collections.abc import Iterator

from common import metrics
from tests.structure.sources import Source, sources

RECORDING = {"count": "counter", "observe": "histogram", "gauge": "gauge"}
DECLARED = {name: value for name, value in vars(metrics).items() if isinstance(value, metrics.Metric)}


def _calls() -> Iterator[tuple[Source, ast.Call]]:
    for source in sources("layers", "functions"):
        for node in ast.walk(source.tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "metrics"
                and node.func.attr in RECORDING
            ):
                yield source, node


def _named(call: ast.Call) -> metrics.Metric:
    metric = call.args[0]
    assert isinstance(metric, ast.Attribute)
    return DECLARED[metric.attr]


def test_what_is_counted_has_the_labels_and_the_kind_that_are_declared() -> None:
    wrong = []
    for source, call in _calls():
        metric, labels = _named(call), {word.arg for word in call.keywords}
        kind = RECORDING[call.func.attr]  # type: ignore[attr-defined]  # `_calls` gives attributes alone
        # `**labels` is checked by the tests that go through it.
        if metric.kind != kind or (None not in labels and labels != set(metric.labels)):
            wrong.append(f"{source}:{call.lineno}")
    assert wrong == []


def test_every_metric_that_is_declared_is_recorded() -> None:
    # Recorded by the registry itself.
    own = {"PROCESS_START", "SERIES_DROPPED"}
    recorded = {_named(call).name for _, call in _calls()}
    assert {metric.name for name, metric in DECLARED.items() if name not in own} - recorded == set()
