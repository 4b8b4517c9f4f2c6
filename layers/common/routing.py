"""The routes of a function: endpoints in transactions, creating requests once, reads that may be unchanged.

`router = Router(prefix="/v1/notes", tags=["notes"])` is all that an `endpoints.py` needs of this.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final, get_type_hints

from fastapi import APIRouter, Request
from fastapi.params import Depends
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, compile_path
from starlette.routing import Route as PlainRoute
from starlette.types import Message, Receive, Scope

from common.conditional import is_unchanged
from common.context import current_context
from common.errors import ContentTooLarge, Unavailable, UnsupportedMediaType
from common.json_numbers import parse
from common.settings import IN_LAMBDA

# The stand-ins that `Db` and `Reading` depend on, and what runs an endpoint that has one.
_RUNNERS: Final = {
    "_filled_in_by_the_route": "answer_in_transaction",
    "_connected_by_the_route": "in_reading",
}
_BODY_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})

type Endpoint = Callable[..., Any]


def _session_parameter(endpoint: Endpoint) -> tuple[str, str] | None:
    """The name of the parameter that is annotated with `Db` or `Reading`, and what runs the endpoint."""
    for name, hint in get_type_hints(endpoint, include_extras=True).items():
        for mark in getattr(hint, "__metadata__", ()):
            stand_in = getattr(mark.dependency, "__name__", "") if isinstance(mark, Depends) else ""
            if stand_in in _RUNNERS:
                return name, _RUNNERS[stand_in]
    return None


def _in_transaction(endpoint: Endpoint, parameter: str, runner: str) -> Callable[..., Awaitable[Any]]:
    """Turn a `def` endpoint into a coroutine that runs it, and its commit, in one hop to a thread."""
    from common.database import transactions

    answer = getattr(transactions, runner)

    @functools.wraps(endpoint)
    async def run(**values: object) -> object:
        return await answer(lambda session: endpoint(**values, **{parameter: session}))

    # FastAPI need not know of the session: a dependency that does nothing still costs its share of a request.
    signature = inspect.signature(endpoint)
    others = [each for each in signature.parameters.values() if each.name != parameter]
    run.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]  # inspect reads it
    return run


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _bounded(request: Request) -> Receive:
    """The request's `receive`, which raises ContentTooLarge beyond the application's `max_body_bytes`."""
    limit: int = request.app.max_body_bytes
    announced = request.headers.get("content-length", "")
    received = 0

    async def receive() -> Message:
        nonlocal received
        # An announced length is refused before a byte of it is read.
        if announced.isdecimal() and int(announced) > limit:
            raise ContentTooLarge(f"The request body is larger than {limit} bytes.")
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise ContentTooLarge(f"The request body is larger than {limit} bytes.")
        return message

    return receive


class _Request(Request):
    """One whose JSON has no numbers but those that can be written again."""

    async def json(self) -> Any:  # noqa: ANN401 - as Starlette's
        """Its body. Raises ValueError, RecursionError: FastAPI makes a refusal of either."""
        return parse(await self.body())


class Route(APIRoute):
    """One operation.

    FastAPI reads an endpoint's signature and makes validators of it, a millisecond or two each. A server does
    so at its start. In Lambda a start answers one request: there a route is built when it is first used for
    more than finding out whether it is the one that is asked for.
    """

    # The paths without parameters of its application; see `keep_apart`.
    concrete: frozenset[str] = frozenset()

    def __init__(self, path: str, endpoint: Endpoint, **options: Any) -> None:  # noqa: ANN401 - FastAPI's own options
        """An endpoint with a `Db` parameter is a `def`: it runs in a transaction of its own."""
        self._unbuilt: tuple[Endpoint, dict[str, Any]] | None = (endpoint, options)
        # What `matches` reads.
        self.path, self.endpoint = path, endpoint
        self.path_regex, self.path_format, self.param_convertors = compile_path(path)
        self.methods = {method.upper() for method in options.get("methods") or ("GET",)}
        if not IN_LAMBDA:
            self._build(endpoint, options)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of a route
        """What is not there yet is there once the route is built."""
        unbuilt = self.__dict__.get("_unbuilt")
        if unbuilt is None or name.startswith("__"):
            raise AttributeError(f"A route has no {name!r}.", name=name, obj=self)
        self._build(*unbuilt)
        return getattr(self, name)

    def _build(self, endpoint: Endpoint, options: dict[str, Any]) -> None:
        parameter = _session_parameter(endpoint)
        if parameter is not None:
            if inspect.iscoroutinefunction(endpoint):
                raise TypeError(f"{endpoint.__qualname__} takes Db and is async: make it a def.")
            endpoint = _in_transaction(endpoint, *parameter)
        unbuilt, self._unbuilt = self._unbuilt, None
        try:
            self.problems = (Unavailable,) if parameter is not None else ()
            super().__init__(self.path, endpoint, **options)
        except BaseException:
            self._unbuilt = unbuilt
            raise

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether this is the operation that is asked for."""
        if self.param_convertors and scope["path"] in self.concrete:
            return Match.NONE, {}
        return super().matches(scope)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, with ours around it."""
        handle = super().get_route_handler()
        takes_json = self.body_field is not None and not is_form(self)
        reads = "GET" in (self.methods or ())
        status = self.status_code or 200

        async def handle_once(request: Request) -> Response:
            context = current_context()
            context.route = self.path_format
            context.success_status = status
            if request.method in _BODY_METHODS:
                request = _Request(request.scope, _bounded(request))
                # Read here, and kept: FastAPI would turn our refusal into a 400.
                if await request.body() and takes_json and not _is_json(request):
                    raise UnsupportedMediaType
            response = await handle(request)
            if reads and is_unchanged(request, context.response_headers):
                return Response(status_code=304)
            return response

        return handle_once


def is_form(route: APIRoute) -> bool:
    """Whether the route's body is a form, and not JSON."""
    from fastapi.params import Form

    return route.body_field is not None and isinstance(route.body_field.field_info, Form)


def keep_apart(routes: Iterable[BaseRoute]) -> None:
    """Have no path with a parameter match one that is described without (OpenAPI 3.1, Paths Object).

    `/notes/{note_id}` is not asked about `/notes/livez`, in whatever order they were added and whether or not
    `/notes/livez` takes the method.
    """
    plain = [route for route in routes if isinstance(route, PlainRoute)]
    concrete = frozenset(route.path for route in plain if not route.param_convertors)
    for route in plain:
        if isinstance(route, Route):
            route.concrete = concrete


class Router(APIRouter):
    """An APIRouter whose operations are `Route`s; paths are complete, as no prefix is added later."""

    def __init__(self, *, prefix: str, tags: list[str]) -> None:
        """`prefix` is `/v1/<function>`, or below it."""
        super().__init__(prefix=prefix, tags=list(tags), route_class=Route, redirect_slashes=False)


def combine(*routers: APIRouter) -> APIRouter:
    """One router with the routes of several, in their order: for an `endpoints` that is a folder."""
    together = APIRouter()
    for router in routers:
        together.routes.extend(router.routes)
    return together
