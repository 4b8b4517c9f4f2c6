"""Lambda's function-URL events, through Mangum, with what Mangum leaves open closed."""

import asyncio
import atexit
import base64
import binascii
import threading
from typing import Any, Final, cast

from mangum import Mangum
from starlette.types import ASGIApp

from common.context import RequestContext, enter_context
from common.errors import BadRequest
from common.problems import problem_response

TEXT_TYPES: Final = [
    "text/",
    "application/json",
    "application/problem+json",
    "application/x-ndjson",
    "application/jwk-set+json",
    "application/javascript",
    "application/xml",
]


STREAM: Final = "x-lambkin-stream"

_thread = threading.local()


def _ensure_loop() -> None:
    # asyncio makes no loop for a thread by itself any more, and Mangum takes the current one.
    if getattr(_thread, "loop", None) is None:
        _thread.loop = asyncio.new_event_loop()
        atexit.register(_thread.loop.close)
    # Each time: `asyncio.run` leaves a thread without a loop, and Mangum would make one that nobody closes.
    asyncio.set_event_loop(_thread.loop)


class FunctionUrlHandler:
    """`handler(event, context)` for one application; one event loop a thread, kept between calls."""

    def __init__(self, app: ASGIApp) -> None:
        """No lifespan: Mangum would run it on every invocation."""
        _ensure_loop()
        self._mangum = Mangum(cast("Any", app), lifespan="off", text_mime_types=TEXT_TYPES)

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context object
        """Answer one event."""
        _ensure_loop()
        if event.get("isBase64Encoded"):
            try:
                base64.b64decode(event.get("body") or "", validate=True)
            except (binascii.Error, ValueError):
                return self._refuse(event)
        self._plain_host(event)
        result: dict[str, Any] = self._mangum(event, context)
        headers = result.get("headers", {})
        if headers.get("content-type", "").startswith("text/event-stream"):
            # Mangum hands over a whole body: who waits for events should know that none comes before the end.
            headers[STREAM] = "buffered"
        return result

    @staticmethod
    def _plain_host(event: dict[str, Any]) -> None:
        # Mangum splits Host at ":", and fails on an IPv6 literal or a port that is no number.
        headers = event.get("headers") or {}
        host = headers.get("host", "")
        name, _, port = host.rpartition(":")
        if ":" in host and (":" in name or not (port.isascii() and port.isdecimal())):
            event["headers"] = headers | {"host": "localhost"}

    @staticmethod
    def _refuse(event: dict[str, Any]) -> dict[str, Any]:
        http = event.get("requestContext", {}).get("http", {})
        enter_context(
            RequestContext(function="", method=http.get("method", ""), path=event.get("rawPath", ""))
        )
        response = problem_response(BadRequest("The body is not valid base64."))
        return {
            "statusCode": response.status_code,
            "headers": {"content-type": "application/problem+json"},
            "body": bytes(response.body).decode(),
            "isBase64Encoded": False,
        }
