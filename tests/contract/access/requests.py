"""A request that fits an operation, made from its description."""

import re
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.contract.access.callers import Caller
from tests.contract.access.demands import Operation
from tests.contract.access.tables import BODIES
from tests.contract.document import example
from tests.support.world import World

ADDRESS = re.compile(r"[\w.+-]+@lambkin\.example")


@dataclass(frozen=True)
class Call:
    """What is sent, but for who sends it and which row it names."""

    operation: Operation
    arguments: dict[str, Any] = field(default_factory=dict)

    def path(self, row: str) -> str:
        """The path with this row in it; one that is in another is named by both, with a slash."""
        names = iter(row.split("/") if self.operation.path.count("{") > 1 else [row])
        return re.sub(r"\{\w+\}", lambda _: next(names), self.operation.path)

    def send(self, api: httpx.Client, caller: Caller | None, row: str) -> httpx.Response:
        """The answer to this caller about this row."""
        headers = self.arguments.get("headers", {}) | (caller.headers if caller else {})
        return api.request(self.operation.method, self.path(row), **self.arguments | {"headers": headers})


def fitting(operation: Operation, world: World) -> Call:
    """A call with the body and the parameters of the operation's examples."""
    arguments: dict[str, Any] = {"params": {}, "headers": {}}
    for parameter in operation.described.get("parameters", []):
        if parameter["name"] == "If-Match":
            arguments["headers"]["If-Match"] = "*"
        elif parameter.get("required") and parameter["in"] == "query":
            arguments["params"][parameter["name"]] = example(parameter)
    for kind, content in operation.described.get("requestBody", {}).get("content", {}).items():
        body = _fresh(example(content), world)
        if operation.id in BODIES:
            body |= BODIES[operation.id]()
        if kind == "application/json":
            arguments["json"] = body
        elif kind == "application/x-www-form-urlencoded":
            arguments["data"] = body
        elif kind == "multipart/form-data":
            arguments["files"] = {"file": ("sonnet.txt", body["file"].encode(), "text/plain")}
        else:
            arguments |= {"content": body, "headers": arguments["headers"] | {"Content-Type": kind}}
    return Call(operation, arguments)


def _fresh(body: Any, world: World) -> Any:
    """The same with addresses that nobody has."""
    match body:
        case str():
            return ADDRESS.sub(lambda _: world.address(), body)
        case dict():
            return {name: _fresh(value, world) for name, value in body.items()}
        case list():
            return [_fresh(value, world) for value in body]
    return body
