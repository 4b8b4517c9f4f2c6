"""The outermost ASGI layer: request ids, the client's address, response headers, one log line a request."""

import re
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common import error_reports, metrics, tracing
from common.client_address import BEHIND_ADAPTER, as_invoked, client_address, is_trusted
from common.context import RequestContext, enter_context
from common.error_formats import ErrorFormat
from common.errors import AppError
from common.logs import get_logger
from common.problems import InternalError, problem_response
from common.settings import get_settings

if TYPE_CHECKING:
    from common.spans import RequestSpan

log = get_logger("common.edge")

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._\-]{8,128}")
_SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OF_SUCCESS: Final = frozenset({"Cache-Control", "ETag", "Link", "Location", "Next-Cursor", "Set-Cookie"})
_TRACE_CONTEXT: Final = frozenset({b"traceparent", b"tracestate"})
_NO_STORE: Final = (b"cache-control", b"no-store")
_HSTS: Final = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")


def _decode(raw: bytes) -> str:
    # Servers pass on the bytes that came, Mangum encodes them anew: both are to read alike.
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


class Edge:
    """Wraps the whole application of one function."""

    def __init__(self, app: ASGIApp, function: str, error_format: ErrorFormat | None = None) -> None:
        self.app = app
        self.function = function
        self.error_format = error_format
        settings = get_settings()
        self.proxies = settings.proxy_networks
        secure = settings.public_url.startswith("https://")
        self.headers = (*_SECURITY_HEADERS, _HSTS) if secure else _SECURITY_HEADERS
        self.guarded = settings.origin_secret is not None
        self.cold = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; no exception gets past this."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if BEHIND_ADAPTER:
            scope = as_invoked(scope)
        refusal: AppError | None = None
        if self.guarded:
            from common.origin import admit

            scope, refusal = admit(scope)
        context = self._open(scope)
        span = tracing.spans.request(context, self._carried(scope)) if tracing.spans else None
        status = 0
        is_head = scope["method"] == "HEAD"
        if is_head:
            # RFC 9110, section 9.3.2: as GET, without the content. A copy, as the server looks at its own.
            scope = {**scope, "method": "GET"}

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = self._complete(message["headers"], context, status)
            elif is_head:
                message = {**message, "body": b""}
            await send(message)

        answer = self.app if refusal is None else problem_response(refusal)
        try:
            await answer(scope, receive, send_with_headers)
        except Exception as error:
            # The inner handler has answered and logged what it could; here only what escaped it counts.
            if not status:
                log.exception("request_failed", problem="internal")
                error_reports.report(error, "request")
                await problem_response(InternalError())(scope, receive, send_with_headers)
        self._close(scope, context, status, span)

    def _open(self, scope: Scope) -> RequestContext:
        headers: dict[bytes, bytes] = {}
        forwarded: list[str] = []
        for name, value in scope["headers"]:
            if name == b"x-forwarded-for":
                forwarded.append(value.decode("latin-1"))
            headers[name] = value
        client = scope.get("client")
        context = RequestContext(
            function=self.function,
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            client_address=client_address(client[0] or "" if client else "", forwarded, self.proxies),
            user_agent=_decode(headers.get(b"user-agent", b""))[:512],
            cold_start=self.cold,
        )
        self.cold = False
        if self.error_format is not None and self.error_format.is_of(context.path):
            context.error_format = self.error_format
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        if _REQUEST_ID.fullmatch(given):
            context.request_id = given
        enter_context(context)
        return context

    def _carried(self, scope: Scope) -> dict[str, str]:
        """The trace that a proxy of ours is in; a stranger's would decide what we keep, and pay for."""
        client = scope.get("client")
        if not is_trusted(client[0] or "" if client else "", self.proxies):
            return {}
        given = ((name, value) for name, value in scope["headers"] if name in _TRACE_CONTEXT)
        return {name.decode(): value.decode("latin-1") for name, value in given}

    def _complete(
        self, headers: list[tuple[bytes, bytes]], context: RequestContext, status: int
    ) -> list[tuple[bytes, bytes]]:
        present = {name.lower() for name, _ in headers}
        complete = [*headers, (b"x-request-id", context.request_id.encode())]
        failed = status >= HTTPStatus.BAD_REQUEST
        wanted = [
            (name.lower().encode(), value.encode())
            for name, value in context.response_headers.items()
            # An endpoint speaks of its answer before its transaction is committed, and that can still fail.
            if not (failed and name in _OF_SUCCESS)
        ]
        for header in (*wanted, *self.headers, _NO_STORE):
            if header[0] not in present:
                complete.append(header)
                present.add(header[0])
        return complete

    def _close(self, scope: Scope, context: RequestContext, status: int, span: "RequestSpan | None") -> None:
        seconds = time.perf_counter() - context.started
        route = getattr(scope.get("route"), "path", "") or "unmatched"
        # A method that nobody knows must not make a series of its own for each of its names.
        method = context.method if context.method in _METHODS else "OTHER"
        labels = {"function": self.function, "method": method, "route": str(route)}
        metrics.count(metrics.REQUESTS, 1, status=str(status), **labels)
        metrics.observe(metrics.REQUEST_SECONDS, seconds, **labels)
        if context.cold_start:
            metrics.count(metrics.COLD_STARTS, function=self.function)
        write = log.warning if status >= HTTPStatus.INTERNAL_SERVER_ERROR else log.info
        write(
            "request",
            method=context.method,
            route=route,
            status=status,
            duration_ms=round(seconds * 1000, 2),
            user_id=str(context.user_id) if context.user_id else None,
            cold_start=context.cold_start,
            statements=context.statements,
            database_ms=round(context.statement_seconds * 1000, 2),
        )
        if span is not None:
            span.close(method, "" if route == "unmatched" else str(route), status)
        metrics.flush(self.function, context.request_id)
        tracing.flush()
        error_reports.flush()
