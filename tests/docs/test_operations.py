"""docs/operations.md names the metrics, events, alerts and settings that there are, and no others."""

import ast
import re
from collections.abc import Iterator
from uuid import uuid4

import pytest
import yaml

from common import draining
from common.settings import Settings
from infra.commands.docs import with_tables
from infra.docker import serve
from infra.local import plan, server
from infra.local.home import PROJECT
from tests.structure.sources import sources
from tests.support.world import World

PAGE = (PROJECT / "docs/operations.md").read_text(encoding="utf-8")
# Read by others: OpenTelemetry's SDK, CloudFormation.
FOREIGN = re.compile(r"OTEL_\w+")
LEVELS = {"warning", "error", "exception", "critical"}
# `job` is written at the level of its outcome; `request_failed` is there twice.
CHOSEN = {"job"}


def _section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def _first_cells(title: str) -> list[str]:
    return re.findall(r"^\| `(\w+)` \|", _section(title), re.MULTILINE)


def _events() -> Iterator[str]:
    for source in sources("layers", "functions"):
        for node in ast.walk(source.tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in LEVELS
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "log"
            ):
                event = ast.literal_eval(node.args[0])
                assert isinstance(event, str)
                yield event


def test_its_table_of_metrics_is_what_the_code_declares() -> None:
    assert "| `lambkin_jobs_total` |" in PAGE
    assert with_tables(PAGE) == PAGE, "run `lambkin docs`"


def test_it_explains_every_event_that_warns_and_no_other() -> None:
    explained = _first_cells("The log")
    assert len(explained) == len(set(explained))
    assert set(explained) == set(_events()) | CHOSEN


def test_it_explains_every_alert_and_no_other() -> None:
    groups = yaml.safe_load((PROJECT / "infra/grafana/alerts.yaml").read_text(encoding="utf-8"))["groups"]
    assert _first_cells("Alarms of servers") == [rule["alert"] for group in groups for rule in group["rules"]]


def test_every_setting_and_file_that_it_names_is_there() -> None:
    without_code = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    named = {name for name in re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", without_code) if not FOREIGN.match(name)}
    assert named >= {"SENTRY_DSN", "METRICS_PORT", "TRUSTED_PROXIES"}
    assert {name for name in named if name.lower() not in Settings.model_fields} == set()
    files = set(re.findall(r"`((?:infra|docs|layers)/[\w./-]+)`", PAGE))
    assert files >= {"infra/grafana/dashboard.json"}
    assert {name for name in files if not (PROJECT / name).exists()} == set()


def test_what_it_says_of_dead_jobs_works(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    job_id = uuid4()
    made = (
        "insert into jobs (id, function, task, state, attempts, finished_at)"
        " values (:id, 'users', 'export_person', 'dead', 8, now())"
    )
    world.run(made, id=job_id)
    [code] = re.findall(r"```python\n(.*?)```", _section("Alarms of servers"), re.DOTALL)
    exec(code.replace("…", str(job_id)), {})  # noqa: S102 - the page's own code, as an operator would run it
    assert f"{job_id} users export_person 8" in capsys.readouterr().out
    assert world.scalar("select state from jobs where id = :id", id=job_id) == "queued"
    world.run("delete from jobs where id = :id", id=job_id)


def test_what_it_says_that_is_not_there_is_found() -> None:
    assert with_tables(PAGE.replace("lambkin_jobs_total", "lambkin_job_total")) == PAGE


def test_it_has_the_times_that_the_end_of_a_process_takes() -> None:
    rows = dict(re.findall(r"^\| ([^|]+) \| (.+? \| .+?) \|", _section("The end of a process"), re.MULTILINE))
    assert rows["what is under way goes on for"] == f"{serve.DRAIN_SECONDS:g} s | {server.DRAIN:g} s"
    assert rows["what is left is ended, and stored, within"] == " | ".join([f"{draining.SECONDS:g} s"] * 2)
    assert rows["the longest that all of it takes"] == f"{serve.LONGEST_SECONDS:g} s | {server.LONGEST:g} s"
    assert rows["what is killed then"] == f"`stop_grace_period`, 30 s | {plan.SERVER_STOP:g} s"
    assert server.LONGEST < plan.SERVER_STOP
