"""The description of an operation, completed from what its route demands: access, limits, body, database.

An endpoint's `responses=problems(...)` lists only the refusals of its own rules.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from common.access import Access
from common.errors import (
    AppError,
    BadRequest,
    ContentTooLarge,
    InvalidInput,
    UnsupportedMediaType,
    problems,
)
from common.routing import Route, is_form

API_KEY_SCHEME: Final = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "lk_…",
    "description": "An API key, where the operation names a permission.",
}


def describe(document: dict[str, Any], routes: Sequence[BaseRoute]) -> None:
    """Complete the operations of `document`, in place."""
    for route in routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                operation = document["paths"][route.path_format][method.lower()]
                _describe_access(document, operation, route)
                _describe_refusals(operation, route)


def _calls(dependant: Dependant) -> Iterator[Any]:
    for dependency in dependant.dependencies:
        yield dependency.call
        yield from _calls(dependency)


def demands(route: APIRoute) -> list[Access]:
    """What the route demands of who calls it."""
    return [call for call in _calls(route.dependant) if isinstance(call, Access)]


def _describe_access(document: dict[str, Any], operation: dict[str, Any], route: APIRoute) -> None:
    found = demands(route)
    if not found:
        return
    scopes = sorted({each.permission for each in found if each.permission is not None})
    operation["security"] = [{"AccessToken": scopes}]
    if all(each.takes_api_keys for each in found):
        operation["security"].append({"ApiKey": scopes})
        document["components"]["securitySchemes"]["ApiKey"] = API_KEY_SCHEME
    if any(each.live for each in found):
        # `live`: revocation counts at once. `recent`: and the sign-in must be a recent one.
        operation["x-sign-in"] = "recent" if any(each.recent for each in found) else "live"


def _refusals(route: APIRoute) -> Iterator[type[AppError]]:
    for call in _calls(route.dependant):
        yield from getattr(call, "problems", ())
    if route.body_field is not None:
        yield from (BadRequest, ContentTooLarge, InvalidInput)
        if not is_form(route):
            yield UnsupportedMediaType
    dependant = route.dependant
    if _has_parameters(dependant):
        yield InvalidInput
    if isinstance(route, Route):
        yield from route.problems


def _has_parameters(dependant: Dependant) -> bool:
    own = (dependant.path_params, dependant.query_params, dependant.header_params, dependant.cookie_params)
    return any(own) or any(_has_parameters(each) for each in dependant.dependencies)


def _describe_refusals(operation: dict[str, Any], route: APIRoute) -> None:
    responses = operation["responses"]
    for status, described in problems(*dict.fromkeys(_refusals(route))).items():
        content = described["content"]
        known = responses.setdefault(str(status), described)
        if known is described or "application/problem+json" not in known.get("content", {}):
            responses[str(status)] = described
            continue
        examples = known["content"]["application/problem+json"]["examples"]
        known["content"]["application/problem+json"]["examples"] = (
            content["application/problem+json"]["examples"] | examples
        )
    operation["responses"] = dict(sorted(responses.items()))
