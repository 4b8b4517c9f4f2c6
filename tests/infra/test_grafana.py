"""The dashboard loads, and every query of it and of the alerts asks for what the code counts.

There is no Grafana in any registry that tests may use: what loads is checked by the model of a dashboard that
Grafana publishes for Python, what is asked by a parser of PromQL.
"""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import promql_parser
import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from common.functions import FUNCTIONS
from common.metrics import METRICS
from common.settings import Settings
from infra.local.discovery import functions
from infra.local.home import PROJECT

FOLDER = PROJECT / "infra/grafana"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
# What Grafana fills in, as it would.
VARIABLES = {"$__rate_interval": "1m", "$function": "users"}
# Prometheus' own, about what it scrapes.
OF_PROMETHEUS = {"up"}
OF_TARGETS = {"instance", "job"}


def _yaml(path: str) -> Any:
    return yaml.safe_load((FOLDER / path).read_text(encoding="utf-8"))


def _alerts() -> list[dict[str, Any]]:
    return [rule for group in _yaml("alerts.yaml")["groups"] for rule in group["rules"]]


def _queries() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    for rule in _alerts():
        yield rule["expr"]


def _series() -> dict[str, set[str]]:
    """The names that queries may use, with their labels."""
    found: dict[str, set[str]] = {name: set() for name in OF_PROMETHEUS}
    for metric in METRICS.values():
        if metric.kind == "histogram":
            found[f"{metric.name}_bucket"] = {*metric.labels, "le"}
            found |= {f"{metric.name}_{part}": set(metric.labels) for part in ("sum", "count")}
        else:
            found[metric.name] = set(metric.labels)
    return found


def _nodes(query: str) -> list[Any]:
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    assert "$" not in query, query
    found: list[Any] = []

    def note(node: Any) -> None:
        found.append(node)

    promql_parser.walk(promql_parser.parse(query), note)
    return found


def unknown(query: str) -> list[str]:
    """What a query names that is not there: metrics, labels that they lack, labels that it groups by."""
    series, nodes = _series(), _nodes(query)
    selectors = [node for node in nodes if isinstance(node, promql_parser.VectorSelector)]
    wrong = [str(selector.name) for selector in selectors if selector.name not in series]
    labels: set[str] = set(OF_TARGETS)
    for selector in selectors:
        own = series.get(str(selector.name), set())
        labels |= own
        wrong += [each.name for each in selector.matchers.matchers if each.name not in own | OF_TARGETS]
    for node in nodes:
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            wrong += [label for label in node.modifier.labels if label not in labels]
    return wrong


def test_every_query_names_metrics_and_labels_that_there_are() -> None:
    queries = list(_queries())
    assert len(queries) > 30
    assert {query: found for query in queries if (found := unknown(query))} == {}


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("lambkin_request_total", ["lambkin_request_total"]),
        ('rate(lambkin_jobs_total{outcom="dead"}[5m])', ["outcom"]),
        ("sum by (route) (lambkin_queue_depth)", ["route"]),
        ("histogram_quantile(0.9, lambkin_request_seconds)", ["lambkin_request_seconds"]),
    ],
)
def test_a_query_that_names_what_is_not_there_is_found(query: str, wrong: list[str]) -> None:
    assert unknown(query) == wrong


def test_what_counts_up_is_never_shown_as_it_is() -> None:
    counting = {name for name in _series() if name.endswith(("_total", "_bucket", "_count", "_sum"))}
    # Its sum is the question: anything but 0 is a fault.
    counting.discard("lambkin_series_dropped_total")
    for query in _queries():
        nodes = _nodes(query)
        ranged = [node.vector_selector.name for node in nodes if hasattr(node, "vector_selector")]
        plain = [node.name for node in nodes if isinstance(node, promql_parser.VectorSelector)]
        assert [name for name in plain if name in counting and name not in ranged] == [], query


def test_every_metric_that_can_be_in_trouble_is_on_the_dashboard() -> None:
    shown = " ".join(target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ()))
    assert [name for name in METRICS if not re.search(rf"\b{name}(_bucket)?\b", shown)] == []


def _lost(ours: Any, theirs: Any, place: str = "") -> Iterator[str]:
    """What Grafana's model does not know of ours; it adds its own defaults."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name, value in ours.items():
            yield from _lost(value, theirs.get(name, "nothing"), f"{place}/{name}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from _lost(*pair, f"{place}/{number}")
    elif ours != theirs:
        yield place


def test_grafanas_own_model_reads_the_dashboard_and_loses_nothing_of_it() -> None:
    read = Dashboard.from_json(DASHBOARD)
    assert list(_lost(DASHBOARD, json.loads(JSONEncoder().encode(read)))) == []
    assert (read.uid, read.title) == ("lambkin", "Lambkin")


def test_what_grafanas_model_does_not_know_is_found() -> None:
    wrong = DASHBOARD | {"pannels": []}
    assert list(_lost(wrong, json.loads(JSONEncoder().encode(Dashboard.from_json(wrong))))) == ["/pannels"]


def test_no_two_panels_are_in_one_place_or_have_one_id() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for first, second in combinations([panel["gridPos"] for panel in panels], 2):
        apart = (
            first["x"] + first["w"] <= second["x"]
            or second["x"] + second["w"] <= first["x"]
            or first["y"] + first["h"] <= second["y"]
            or second["y"] + second["h"] <= first["y"]
        )
        assert apart, (first, second)
        assert first["x"] + first["w"] <= 24


def test_every_panel_asks_the_data_source_that_is_chosen() -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["function"]["datasource"] == chosen
    metric, label = re.findall(r"\w+", variables["function"]["query"]["query"])[1:]
    assert label in METRICS[metric].labels
    for panel in DASHBOARD["panels"]:
        if panel["type"] != "row":
            assert panel["datasource"] == chosen
            assert [target["datasource"] for target in panel["targets"]] == [chosen] * len(panel["targets"])


def test_prometheus_scrapes_every_function_and_every_container_of_jobs() -> None:
    requests, jobs = _yaml("prometheus.yaml")["scrape_configs"]
    paths = {
        target: each["labels"]["__metrics_path__"]
        for each in requests["static_configs"]
        for target in each["targets"]
    }
    assert paths == {f"{name}:8000": f"/v1/{name}/metrics" for name in FUNCTIONS}
    port = Settings.model_fields["metrics_port"].default
    [targets] = [each["targets"] for each in jobs["static_configs"]]
    assert set(targets) == {f"{each.name}-jobs:{port}" for each in functions() if each.handles_jobs}


def test_provisioning_finds_the_data_source_and_the_dashboard() -> None:
    [source] = _yaml("provisioning/datasources/prometheus.yaml")["datasources"]
    assert (source["type"], source["access"]) == ("prometheus", "proxy")
    [provider] = _yaml("provisioning/dashboards/lambkin.yaml")["providers"]
    assert provider["type"] == "file"
    assert provider["options"]["path"].startswith("/")
