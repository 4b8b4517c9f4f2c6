"""The layer with its optional groups: within its budget, and with all that traces and error reports need."""

import tomllib
from pathlib import Path

import pytest

from infra.build import archives
from infra.build.artifacts import Wanted, build_into
from infra.build.report import BUDGETS
from infra.build.sandbox import started
from infra.build.targets import LAYER, target
from infra.local import function_url
from tests.deployment.conftest import MACHINE
from tests.support.receiving import OTLP_ANSWER, Traces, events, receiver

FAILING = """
from common.app import create_app, lambda_handler
from common.routing import Router

router = Router(prefix="/v1/worker", tags=["worker"])

@router.get("/fails")
async def fails() -> None:
    raise RuntimeError("a fault")

handler = lambda_handler(create_app("worker", summary="Tests.", router=router))
"""


@pytest.fixture(scope="module")
def with_extras(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of that layer."""
    folder = tmp_path_factory.mktemp("extras") / LAYER
    build_into(target(LAYER), folder, Wanted(MACHINE, ("tracing", "errors")), lambda _: None)
    return folder


def test_it_is_within_the_budget_of_the_layer(with_extras: Path) -> None:
    archive = with_extras.with_suffix(".zip")
    archives.pack(with_extras, archive)
    budget = tomllib.loads(BUDGETS.read_text())["zipped_mb"][LAYER]
    assert archive.stat().st_size / 1_000_000 <= budget


def test_what_fails_in_it_is_traced_and_reported(with_extras: Path, runtime: Path, tmp_path: Path) -> None:
    (tmp_path / "artifact").mkdir()
    (tmp_path / "artifact" / "failing.py").write_text(FAILING)
    folders = [tmp_path / "artifact", with_extras / "python", runtime]
    event = function_url.to_event("GET", "/v1/worker/fails", "", [], b"", "203.0.113.7")
    with receiver(OTLP_ANSWER, "application/x-protobuf") as collector, receiver() as sentry:
        given = {
            "STAGE": "test",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "SENTRY_DSN": sentry.url.replace("http://", "http://0123456789abcdef@") + "/42",
        }
        with (
            (tmp_path / "log").open("wb") as log,
            started("worker", "failing.handler", folders, given, log) as api,
        ):
            assert api.invoke(event)["statusCode"] == 500
        assert [span.name for span in Traces(collector).spans()] == ["GET /v1/worker/fails"]
        assert [each["transaction"] for each in events(sentry)] == ["GET /v1/worker/fails"]
