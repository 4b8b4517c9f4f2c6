"""Every operation's success and one refusal, over each transport: what differs is a bug."""

import json
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Final

import httpx
import pytest

from common.functions import FUNCTIONS
from tests.parity import operations
from tests.parity.operations.calls import Operation
from tests.support.world import World

PROBLEM_MEMBERS: Final = {"type", "title", "status", "detail", "instance", "code", "request_id"}
# Paths that OpenAI's clients ask tell it in their way.
OPENAI_MEMBERS: Final = {"message", "type", "param", "code"}


OPERATIONS: Final[dict[str, Operation]] = {
    operation: calls
    for module in iter_modules(operations.__path__)
    for operation, calls in getattr(
        import_module(f"{operations.__name__}.{module.name}"), "OPERATIONS", {}
    ).items()
}


def _documented() -> set[str]:
    documents: list[dict[str, Any]] = [
        import_module(f"functions.{name}.app").app.openapi() for name in FUNCTIONS
    ]
    return {
        operation["operationId"]
        for document in documents
        for path in document["paths"].values()
        for operation in path.values()
    }


def test_the_suite_covers_every_documented_operation() -> None:
    assert set(OPERATIONS) == _documented()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_success_is_the_same_over_every_transport(
    operation: str, everywhere: httpx.Client, world: World
) -> None:
    call, status, *_ = OPERATIONS[operation]
    response = call(everywhere, world)
    assert response.status_code == status, response.text
    _check_headers(response)
    if response.content and status < 400:
        _check_json(response)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_refusal_is_the_same_over_every_transport(
    operation: str, everywhere: httpx.Client, world: World
) -> None:
    *_, call, status, code = OPERATIONS[operation]
    response = call(everywhere, world)
    assert response.status_code == status, response.text
    _check_headers(response)
    body = response.json()
    if response.headers["content-type"] == "application/json":
        assert body["error"].keys() == OPENAI_MEMBERS
        assert body["error"]["code"] == code
        return
    assert response.headers["content-type"] == "application/problem+json"
    assert body.keys() >= PROBLEM_MEMBERS
    assert (body["status"], body["code"]) == (status, code)
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["instance"] == response.request.url.path


def _check_json(response: httpx.Response) -> None:
    kind = response.headers["content-type"]
    if kind.startswith("text/event-stream"):
        lines = response.text.splitlines()
        documents = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
        assert documents
    else:
        assert kind in ("application/json", "application/x-ndjson")
        documents = [response.text] if kind == "application/json" else response.text.splitlines()
    for document in documents:
        json.loads(document)


def _check_headers(response: httpx.Response) -> None:
    assert response.headers["x-request-id"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"]
