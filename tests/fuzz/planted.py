"""An API some of whose answers are wrong, to see whether a run finds them."""

from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

type Json = dict[str, Any]

PROBLEM: Final = "application/problem+json"
_TOKEN: Final[list[Json]] = [{"AccessToken": []}]
_PERMISSION: Final[list[Json]] = [{"AccessToken": ["users:write"]}]


def _refusals(codes: dict[str, str]) -> Json:
    return {
        status: {
            "description": "",
            "content": {PROBLEM: {"schema": {"type": "object"}, "examples": {code: {"value": {}}}}},
        }
        for status, code in codes.items()
    }


def _operation(codes: dict[str, str], **more: Any) -> Json:
    success = {"200": {"description": "", "content": {"application/json": {"schema": {"type": "object"}}}}}
    return {"get": {"responses": success | _refusals(codes)} | more}


def _wanting_a_number() -> Json:
    number = {"name": "number", "in": "query", "required": True, "schema": {"type": "integer"}}
    return _operation({"422": "invalid_input", "400": "invalid_link"}, parameters=[number])


# By what is wrong with it, or by why nothing is; the answer, and how it is described.
PLANTED: Final[dict[str, tuple[int, Json, Json]]] = {
    "down-although-described": (503, {"code": "unavailable"}, _operation({"503": "unavailable"})),
    "undescribed-status": (404, {"code": "not_found"}, _operation({})),
    "undescribed-code": (409, {"code": "new"}, _operation({"409": "old"})),
    "open-to-nobody": (200, {}, _operation({"401": "invalid_token"}, security=_TOKEN)),
    "open-to-members": (200, {}, _operation({"401": "invalid_token"}, security=_PERMISSION)),
    "refuses-valid-values": (
        422,
        {"code": "invalid_input", "errors": [{"code": "int_parsing"}]},
        _wanting_a_number(),
    ),
    "right/rule-beyond-schemas": (
        422,
        {"code": "invalid_input", "errors": [{"code": "value_error"}]},
        _wanting_a_number(),
    ),
    "right/link-never-sent": (400, {"code": "invalid_link"}, _wanting_a_number()),
    "right/readyz": (503, {"code": "unavailable"}, _operation({"503": "unavailable"})),
    "right/closed": (
        401,
        {"code": "invalid_token"},
        _operation({"401": "invalid_token"}, security=_TOKEN),
    ),
}


def document() -> Json:
    """The OpenAPI document of what is planted."""
    oauth = {"type": "oauth2", "flows": {"password": {"tokenUrl": "/token", "scopes": {}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Planted", "version": "1"},
        "paths": {f"/{name}": described for name, (_, _, described) in PLANTED.items()},
        "components": {"securitySchemes": {"AccessToken": oauth}},
    }


def application() -> Starlette:
    """The API itself."""
    return Starlette(routes=[Route(f"/{name}", _answer) for name in PLANTED])


async def _answer(request: Request) -> Response:
    status, body, _ = PLANTED[request.url.path.removeprefix("/")]
    return JSONResponse(body, status, media_type=PROBLEM if status >= 400 else None)
