"""What is counted can be read by Prometheus and by CloudWatch, and a typo is an error."""

import json
import threading
from typing import Any

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from common import metrics
from common.emf import MOST_VALUES, Embedded
from common.exposition import MOST_SERIES, Registry

# CloudWatch, User Guide, "Specification: Embedded metric format": what it says of a document, as a schema.
EMF = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "additionalProperties": False,
            "properties": {
                "Timestamp": {"type": "integer"},
                "CloudWatchMetrics": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "additionalProperties": False,
                        "properties": {
                            "Namespace": {"type": "string", "minLength": 1, "maxLength": 1024},
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "type": "array",
                                    "minItems": 1,
                                    "maxItems": 30,
                                    "items": {"type": "string", "minLength": 1, "maxLength": 250},
                                },
                            },
                            "Metrics": {
                                "type": "array",
                                "minItems": 1,
                                "maxItems": 100,
                                "items": {
                                    "type": "object",
                                    "required": ["Name"],
                                    "additionalProperties": False,
                                    "properties": {
                                        "Name": {"type": "string", "minLength": 1, "maxLength": 1024},
                                        "Unit": {"enum": ["Seconds", "Count"]},
                                    },
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}


def samples(registry: Registry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(registry.render())
        for sample in family.samples
    }


def check_emf(line: str) -> dict[str, Any]:
    """The document, once it is as the specification wants it."""
    document: dict[str, Any] = json.loads(line)
    jsonschema.validate(document, EMF)
    for directive in document["_aws"]["CloudWatchMetrics"]:
        for dimension in directive["Dimensions"][0]:
            assert isinstance(document[dimension], str)
        for metric in directive["Metrics"]:
            value = document[metric["Name"]]
            values = value if isinstance(value, list) else [value]
            assert 0 < len(values) <= 100
            assert all(isinstance(each, int | float) for each in values)
    return document


def test_other_labels_than_declared_are_an_error() -> None:
    wrong: list[dict[str, str]] = [{}, {"functoin": "users"}, {"function": "users", "task": "x"}]
    for labels in wrong:
        with pytest.raises(ValueError, match="lambkin_gate_refusals_total"):
            metrics.count(metrics.GATE_REFUSALS, 1, **labels)


def test_every_name_and_label_is_one_that_prometheus_takes() -> None:
    for metric in metrics.METRICS.values():
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.name.endswith("_seconds") == (metric.unit == "Seconds"), metric.name
        assert bool(metric.bounds) == (metric.kind == "histogram"), metric.name
        assert list(metric.bounds) == sorted(metric.bounds)
        assert not metric.split or metric.split in metric.labels


def test_what_is_rendered_is_read_back_by_prometheus_own_parser() -> None:
    registry = Registry()
    odd = 'a "quoted" \\ back\nslash, ü'
    registry.count(metrics.RATE_LIMITED, (odd,), 1)
    registry.count(metrics.GATE_REFUSALS, ("users",), 12_345_678)
    for seconds in (0.005, 0.3, 70.0):
        registry.observe(metrics.GATE_WAIT_SECONDS, ("users",), seconds)
    registry.gauge(metrics.POOL_SIZE, ("users",), 5)
    registry.gauge(metrics.GATE_WAITING, ("users",), lambda: 3)
    found = samples(registry)
    users = ("function", "users")
    assert found["lambkin_rate_limited_total", (("limit", odd),)] == 1
    assert found["lambkin_gate_refusals_total", (users,)] == 12_345_678
    assert found["lambkin_gate_wait_seconds_count", (users,)] == 3
    assert found["lambkin_gate_wait_seconds_sum", (users,)] == pytest.approx(70.305)
    assert found["lambkin_gate_wait_seconds_bucket", (users, ("le", "0.005"))] == 1
    assert found["lambkin_gate_wait_seconds_bucket", (users, ("le", "10"))] == 2
    assert found["lambkin_gate_wait_seconds_bucket", (users, ("le", "+Inf"))] == 3
    assert (found["lambkin_database_pool_size", (users,)], found["lambkin_gate_waiting", (users,)]) == (5, 3)
    assert found["process_start_time_seconds", ()] > 1.7e9


def test_each_metric_has_its_type_and_its_meaning() -> None:
    registry = Registry()
    registry.count(metrics.GATE_REFUSALS, ("users",), 1)
    families = {family.name: family for family in text_string_to_metric_families(registry.render())}
    # The parser takes `_total` off a counter's name.
    assert families["lambkin_gate_refusals"].type == "counter"
    assert families["lambkin_gate_refusals"].documentation == metrics.GATE_REFUSALS.meaning


def test_a_gauge_that_cannot_be_read_costs_the_others_nothing() -> None:
    registry = Registry()
    registry.gauge(metrics.GATE_WAITING, ("users",), lambda: 1 / 0)
    registry.gauge(metrics.GATE_WAITING, ("auth",), 2)
    assert [value for (name, _), value in samples(registry).items() if name == "lambkin_gate_waiting"] == [2]


def test_a_label_of_endless_values_does_not_take_all_memory() -> None:
    registry = Registry()
    for number in range(MOST_SERIES + 7):
        registry.count(metrics.RATE_LIMITED, (str(number),), 1)
        registry.observe(metrics.GATE_WAIT_SECONDS, (str(number),), 1)
    registry.count(metrics.RATE_LIMITED, ("0",), 1)
    found = samples(registry)
    assert sum(name == "lambkin_rate_limited_total" for name, _ in found) == MOST_SERIES
    assert found["lambkin_rate_limited_total", (("limit", "0"),)] == 2
    for metric in ("lambkin_rate_limited_total", "lambkin_gate_wait_seconds"):
        assert found["lambkin_series_dropped_total", (("metric", metric),)] == 7


def test_nothing_is_lost_between_threads() -> None:
    registry = Registry()

    def work() -> None:
        for _ in range(2000):
            registry.count(metrics.PASSWORD_HASHES, (), 1)
            registry.observe(metrics.GATE_WAIT_SECONDS, ("users",), 0.1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        registry.render()
    for thread in threads:
        thread.join()
    found = samples(registry)
    assert found["lambkin_password_hashes_total", ()] == 8000
    assert found["lambkin_gate_wait_seconds_count", (("function", "users"),)] == 8000


def test_in_lambda_a_request_writes_one_line_with_its_function_as_the_only_dimension(
    capsys: pytest.CaptureFixture[str],
) -> None:
    embedded = Embedded()
    embedded.count(metrics.REQUESTS, ("users", "GET", "/v1/users/me", "200"), 1)
    embedded.observe(metrics.REQUEST_SECONDS, ("users", "GET", "/v1/users/me"), 0.0123456789)
    embedded.count(metrics.JOBS, ("users", "export_person", "done"), 1)
    embedded.count(metrics.JOBS, ("users", "other", "done"), 1)
    embedded.gauge(metrics.QUEUE_DEPTH, ("users",), lambda: 4)
    embedded.gauge(metrics.POOL_SIZE, ("users",), 1)
    embedded.flush("users", "request-of-ada")
    embedded.flush("users", "nothing-happened")
    [line] = capsys.readouterr().out.splitlines()
    document = check_emf(line)
    [directive] = document.pop("_aws")["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("Lambkin/test", [["function"]])
    assert document == {
        "function": "users",
        "request_id": "request-of-ada",
        "requests": 1,
        "request_seconds": 0.012346,
        "jobs_done": 2,
        "queue_depth": 4,
    }


def test_a_line_has_no_more_values_than_cloudwatch_takes(capsys: pytest.CaptureFixture[str]) -> None:
    embedded = Embedded()
    for number in range(MOST_VALUES + 50):
        embedded.observe(metrics.JOB_SECONDS, ("users", str(number)), 0.1)
    embedded.flush("users", "")
    assert len(check_emf(capsys.readouterr().out)["job_seconds"]) == MOST_VALUES
