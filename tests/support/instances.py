"""Artifacts as Lambda would run them, and a client that calls them as function URLs would."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Final

import httpx

from infra.build.runtime_api import RuntimeApi
from infra.build.sandbox import started
from infra.build.targets import LAYER
from infra.local import function_url

type Start = Callable[..., RuntimeApi]

BASE: Final = "https://x.lambda-url.us-east-1.on.aws"


@contextmanager
def instances(
    artifacts: Mapping[str, Path], runtime: Path, given: Mapping[str, str], log: IO[bytes]
) -> Iterator[Start]:
    """`start("auth")` gives a running instance of a function, which is kept until the end."""
    running: dict[str, RuntimeApi] = {}
    with ExitStack() as stack:

        def start(name: str, handler: str = "", **more: str) -> RuntimeApi:
            entry = handler or f"functions.{name}.app.handler"
            key = f"{entry} {more}"
            if key not in running:
                folders = [artifacts[name], artifacts[LAYER] / "python", runtime]
                running[key] = stack.enter_context(started(name, entry, folders, {**given, **more}, log))
            return running[key]

        yield start


class InstancesTransport(httpx.BaseTransport):
    """A client of all artifacts, by path prefix, as function URLs would call them."""

    def __init__(self, start: Start) -> None:
        self._start = start

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.split("/")[2]
        event = function_url.to_event(
            request.method,
            request.url.raw_path.partition(b"?")[0].decode(),
            request.url.query.decode(),
            request.headers.raw,
            request.read(),
            "203.0.113.7",
        )
        answer = function_url.from_result(self._start(name).invoke(event))
        return httpx.Response(answer.status, headers=answer.headers, content=answer.body, request=request)
