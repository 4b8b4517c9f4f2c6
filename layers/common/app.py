"""The two lines of every function: `app = create_app(...)` and `handler = lambda_handler(app)`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.telemetry import TelemetryConfig
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

from common import draining, error_reports, metrics, tracing
from common.client_address import is_public
from common.context import current_context
from common.edge import Edge
from common.error_formats import ErrorFormat
from common.errors import BadRequest, NotFound, Problem, Unavailable, problems
from common.health import HealthReport, Probe, Prober
from common.logs import configure_logs
from common.problems import install_problem_handlers, problem_response
from common.routing import Router, keep_apart
from common.settings import IN_LAMBDA, get_settings, require_settings

EXPOSED_HEADERS = (
    "Accept-Ranges, Content-Disposition, Content-Range, ETag, Link, Location, Next-Cursor, RateLimit, "
    "RateLimit-Policy, Retry-After, X-Request-ID, Idempotency-Replayed, X-Lambkin-Stream"
)


# FastAPI's own continues a stranger's trace, and its logs hold what was sent: `common.spans` does neither.
_NO_TELEMETRY: Final[TelemetryConfig] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}


@dataclass(frozen=True, slots=True)
class Live:
    """The process answers."""

    state: str = "ok"


class _Cors(CORSMiddleware):
    """CORS whose refused preflights are problems as well."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        refused = problem_response(BadRequest(f"{bytes(response.body).decode()}."))
        refused.headers.update({"Vary": "Origin"})
        return refused


class App(FastAPI):
    """The application of one function, with the edge around all of it."""

    def __init__(
        self, function: str, summary: str, max_body_bytes: int, error_format: ErrorFormat | None = None
    ) -> None:
        """All paths are under `/v1/<function>`."""
        super().__init__(
            title=f"Lambkin {function}",
            summary=summary,
            version="1",
            docs_url=None,
            redoc_url=None,
            openapi_url=f"/v1/{function}/openapi.json",
            redirect_slashes=False,
            telemetry=_NO_TELEMETRY,
        )
        self.function = function
        self.max_body_bytes = max_body_bytes
        self.error_format = error_format

    def build_middleware_stack(self) -> ASGIApp:
        """The edge outermost, then CORS, so that an error's answer carries both their headers."""
        inner = _Cors(
            super().build_middleware_stack(),
            allow_origins=get_settings().allowed_origins,
            allow_credentials=True,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "If-Match",
                "If-None-Match",
                "If-Range",
                "Last-Event-ID",
                "Range",
                "X-Request-ID",
            ],
            expose_headers=EXPOSED_HEADERS.split(", "),
            max_age=600,
        )
        return Edge(inner, self.function, self.error_format)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI 3.1 document of this function, made when it is first asked for."""
        if not self.openapi_schema:
            from common.openapi import describe

            document = get_openapi(
                title=self.title, version=self.version, summary=self.summary, routes=self.routes
            )
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            template = "#/components/schemas/{model}"
            problem = Problem.model_json_schema(ref_template=template)
            schemas.update(problem.pop("$defs", {}))
            schemas["Problem"] = problem
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            describe(document, self.routes)
            if self.error_format is not None:
                self.error_format.describe(document)
            self.openapi_schema = document
        return self.openapi_schema


async def _ready(prober: Prober) -> HealthReport:
    if draining.stops():
        raise Unavailable("The server is about to stop.", retry_after=5)
    report = await prober.report()
    if report.state == "unavailable":
        failed = [probe.model_dump() for probe in report.probes]
        raise Unavailable("Not ready.", retry_after=5, members={"probes": failed})
    return report


def _probe_router(function: str, probes: Sequence[Probe]) -> Router:
    router = Router(prefix=f"/v1/{function}", tags=[function])
    prober = Prober(probes)

    @router.get("/livez", summary="Is the process alive?", operation_id=f"{function}_livez")
    async def livez() -> Live:
        """Answer without a look at anything else."""
        return Live()

    @router.get(
        "/readyz",
        summary="Can this function do its work?",
        operation_id=f"{function}_readyz",
        responses=problems(Unavailable),
    )
    async def readyz() -> HealthReport:
        """Probe what this function needs; 503 where something essential does not answer."""
        return await _ready(prober)

    if not IN_LAMBDA:

        @router.get(
            "/metrics",
            summary="Counters for Prometheus.",
            operation_id=f"{function}_metrics",
            include_in_schema=False,
        )
        async def show_metrics() -> Response:
            # Durations tell a stranger too much: only neighbours may scrape.
            if is_public(current_context().client_address):
                raise NotFound
            from common.exposition import CONTENT_TYPE

            return PlainTextResponse(metrics.render(), headers={"content-type": CONTENT_TYPE})

    return router


def create_app(  # noqa: PLR0913 - what a function is made of, each by its name
    function: str,
    *,
    summary: str,
    router: APIRouter | None = None,
    settings: Sequence[str] = (),
    probes: Sequence[Probe] = (),
    max_body_bytes: int | None = None,
    error_format: ErrorFormat | None = None,
) -> App:
    """The FastAPI application of `function`.

    `router` has its operations, with full paths under `/v1/<function>`; `settings` names the variables that
    must be set; `probes` are what `/readyz` asks. Bodies over `max_body_bytes` (default: MAX_BODY_BYTES) get
    413. `error_format` is for paths whose clients know an API that is not ours. Raises SettingsError where a
    setting is missing.
    """
    configure_logs()
    require_settings(settings)
    tracing.start()
    error_reports.start()
    app = App(function, summary, max_body_bytes or get_settings().max_body_bytes, error_format)
    # Taking the routes over, instead of include_router, builds each of them once: half the start.
    for source in (router, _probe_router(function, probes)):
        if source is not None:
            app.router.routes.extend(source.routes)
    keep_apart(app.router.routes)
    install_problem_handlers(app)
    return app


def lambda_handler(app: App) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """The Lambda entry point for function-URL and HTTP-API events (payload format 2.0)."""
    from common.function_url import FunctionUrlHandler

    return FunctionUrlHandler(app)
