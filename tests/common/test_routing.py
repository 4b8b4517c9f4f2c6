"""Routes: each is built once, at the start of a server, in Lambda when it is first used."""

import httpx
import pytest
from fastapi import FastAPI
from fastapi.exceptions import FastAPIError
from starlette.routing import Match

from common import routing
from common.app import create_app
from common.database import Db
from common.routing import Route, Router
from common.schemas import RequestModel
from tests.support.transports import AsgiTransport


class Weight(RequestModel):
    grams: int


def scales() -> Router:
    router = Router(prefix="/v1/health", tags=["health"])

    @router.post("/scales/{scale}", status_code=201, operation_id="weigh")
    async def weigh(scale: str, body: Weight) -> Weight:
        """Put it on the scales."""
        return Weight(grams=body.grams + len(scale))

    @router.get("/scales", operation_id="list_scales")
    async def list_scales(limit: int = 1) -> list[int]:
        return list(range(limit))

    return router


def is_built(route: Route) -> bool:
    return "dependant" in vars(route)


@pytest.fixture
def in_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "IN_LAMBDA", True)


def built(app: FastAPI) -> list[str]:
    return [route.path for route in app.routes if isinstance(route, Route) and is_built(route)]


def test_a_server_builds_its_routes_at_its_start() -> None:
    assert all(isinstance(route, Route) and is_built(route) for route in scales().routes)


@pytest.mark.usefixtures("in_lambda")
def test_in_lambda_a_request_builds_its_own_route_alone() -> None:
    app = create_app("health", summary="Scales.", router=scales())
    assert built(app) == []
    with httpx.Client(transport=AsgiTransport(app), base_url="http://backend:8000") as client:
        assert client.get("/v1/health/nothing").status_code == 404
        assert client.get("/v1/health/scales/left").headers["allow"] == "POST"
        assert built(app) == []
        weighed = client.post("/v1/health/scales/left", json={"grams": 7})
        assert (weighed.status_code, weighed.json()) == (201, {"grams": 11})
        assert client.post("/v1/health/scales/left", json={"grams": "much"}).status_code == 422
    assert built(app) == ["/v1/health/scales/{scale}"]


def test_a_route_that_is_built_late_is_described_and_matched_as_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    early = create_app("health", summary="Scales.", router=scales())
    monkeypatch.setattr(routing, "IN_LAMBDA", True)
    late = create_app("health", summary="Scales.", router=scales())
    scope = {"type": "http", "method": "GET", "path": "/v1/health/scales/left", "headers": []}
    for one, other in zip(early.routes, late.routes, strict=True):
        assert one.matches(scope)[0] is other.matches(scope)[0]
    assert sum(route.matches(scope)[0] is Match.PARTIAL for route in late.routes) == 1
    assert late.openapi() == early.openapi()
    assert late.url_path_for("weigh", scale="left") == early.url_path_for("weigh", scale="left")


@pytest.mark.usefixtures("in_lambda")
def test_what_a_route_does_not_have_it_does_not_have_late_either() -> None:
    route = Route("/v1/health/scales", lambda: None, methods=["GET"])
    assert not hasattr(route, "colour")
    assert is_built(route)
    assert not hasattr(route, "colour")


@pytest.mark.usefixtures("in_lambda")
def test_a_route_that_cannot_be_built_says_why_each_time() -> None:
    async def waits(db: Db) -> None:
        del db

    def takes_what_no_schema_has(connection: httpx.Client) -> None:
        del connection

    for endpoint, reason in (
        (waits, "takes Db and is async"),
        (takes_what_no_schema_has, "Client"),
    ):
        route = Route("/v1/health/scales", endpoint, methods=["POST"])
        for _ in range(2):
            with pytest.raises((TypeError, FastAPIError), match=reason):
                _ = route.app
