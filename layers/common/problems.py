"""Every failure becomes an RFC 9457 `application/problem+json` answer, here and nowhere else.

Only where a path's clients know another API it is told in the format of that one: `common.error_formats`.
"""

import json
import sys
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route

from common import error_reports
from common.context import current_context
from common.draining import ServerStopped
from common.error_formats import OTHER, PROBLEM
from common.errors import (
    AppError,
    BadRequest,
    ContentTooLarge,
    InvalidInput,
    NotFound,
    TooManyRequests,
    Unavailable,
    UnsupportedMediaType,
)
from common.json_numbers import OUT_OF_RANGE
from common.logs import get_logger, quotes_values, trace

MEDIA_TYPE: Final = PROBLEM
log = get_logger(__name__)


class MethodNotAllowed(AppError):
    """The path exists, the method does not."""

    status = 405
    code = "method_not_allowed"
    detail = "This path does not take that method; `Allow` names those that it takes."


class InternalError(AppError):
    """A fault of ours; the log has the rest under the request's id."""

    status = 500
    code = "internal"
    detail = "Something went wrong here. It has been logged under this request's id."


class ClientGone(AppError):
    """The client left before its request was complete; nobody reads this answer."""

    status = 499
    code = "client_gone"
    title = "Client Closed Request"
    detail = "The connection ended before the request was complete."


_BY_STATUS: Final[dict[int, type[AppError]]] = {
    kind.status: kind
    for kind in (
        BadRequest, NotFound, MethodNotAllowed, ContentTooLarge, UnsupportedMediaType, InvalidInput,
        TooManyRequests, InternalError, Unavailable,
    )
}  # fmt: skip


def problem(error: AppError) -> dict[str, Any]:
    """The body for `error`, as a JSON object."""
    context = current_context()
    body: dict[str, Any] = {
        "type": f"urn:lambkin:problem:{error.code}",
        "title": error.heading(),
        "status": error.status,
        "detail": error.message,
        "instance": context.path,
        "code": error.code,
        "request_id": context.request_id,
    }
    if error.errors:
        body["errors"] = error.errors
    return body | error.members


def problem_response(error: AppError) -> Response:
    """The answer for `error`."""
    body, media_type = problem(error), MEDIA_TYPE
    other = current_context().error_format
    if other is not None:
        body, media_type = other.body(body), OTHER
    # ASCII only, so that no lone surrogate that a client sent can break the encoding of our answer.
    content = json.dumps(body, separators=(",", ":")).encode("ascii")
    return Response(content, status_code=error.status, headers=error.headers, media_type=media_type)


def _pointer(location: tuple[int | str, ...]) -> str:
    place, *rest = location
    parts = [str(part).replace("~", "~0").replace("/", "~1") for part in rest]
    return "/".join(["#", *parts] if place == "body" else ["#", str(place), *parts])


def _from_validation(error: RequestValidationError) -> AppError:
    found = error.errors()
    if found and found[0]["type"] == "json_invalid":
        is_number = found[0].get("ctx", {}).get("error") == OUT_OF_RANGE
        return BadRequest(OUT_OF_RANGE if is_number else "The body is not valid JSON.")
    return InvalidInput(
        errors=[
            {
                "pointer": _pointer(tuple(item["loc"])),
                "code": str(item["type"]),
                "detail": str(item["msg"]).removeprefix("Value error, "),
            }
            for item in found[:50]
        ]
    )


def _from_http(error: HTTPException) -> AppError:
    kind = _BY_STATUS.get(error.status_code)
    if kind is None:
        phrase = HTTPStatus(error.status_code).phrase
        kind = type(
            "OtherError",
            (AppError,),
            {"status": error.status_code, "code": phrase.lower().replace(" ", "_"), "detail": f"{phrase}."},
        )
    return kind(headers=error.headers)


def from_exception(error: Exception) -> AppError:
    """What to tell the client about any exception. What is not foreseen is an InternalError."""
    match error:
        case AppError():
            return error
        case RequestValidationError():
            return _from_validation(error)
        case HTTPException():
            return _from_http(error)
        case ClientDisconnect():
            return ClientGone()
    # Functions without a database never import SQLAlchemy: there its errors cannot occur either.
    if "sqlalchemy" in sys.modules:
        from common.database.faults import from_database_error

        if told := from_database_error(error):
            return told
    return InternalError()


def _allowed(request: Request) -> str:
    # The router names the methods of the first route on this path; a path may have several.
    routes = (route for route in request.app.routes if isinstance(route, Route))
    on_path = (route for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    methods = {method for route in on_path for method in route.methods or ()}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


async def _answer(request: Request, error: Exception) -> Response:
    told = from_exception(error)
    if isinstance(told, MethodNotAllowed):
        told.headers["Allow"] = _allowed(request)
    if told.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(told, ServerStopped):
        log.error("request_failed", problem=told.code, status=told.status, **_explain(error))
        if told is not error and isinstance(told, InternalError):
            error_reports.report(error, "request")
    return problem_response(told)


def _explain(error: Exception) -> dict[str, Any]:
    """What a log may hold of an error: no message that quotes values, as a database's does."""
    if "sqlalchemy" in sys.modules:
        from common.database.faults import describe_database_error

        if described := describe_database_error(error):
            return {"error": described, "trace": trace(error)}
    if quotes_values(type(error).__module__):
        return {"error": type(error).__name__, "trace": trace(error)}
    return {"exc_info": error}


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every exception of `app` with a problem."""
    for kind in (AppError, RequestValidationError, HTTPException, ClientDisconnect, Exception):
        app.add_exception_handler(kind, _answer)
    if "sqlalchemy" in sys.modules:
        from sqlalchemy.exc import SQLAlchemyError

        app.add_exception_handler(SQLAlchemyError, _answer)
