"""What operations refuse is what their description says: bad requests are sent, the answers looked up."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from common.settings import get_settings
from tests.contract.document import OPERATIONS, concrete, told, told_codes
from tests.parity import test_parity
from tests.support.world import World

type Json = Any

TOKEN = {"Authorization": "Bearer not.a.token"}
METHOD_NOT_ALLOWED = 405  # belongs to no operation: the path has none with that method


def _documented_codes(operation: Json, status: int) -> set[str]:
    return set(told_codes(operation["responses"].get(str(status), {})))


def _is_documented(operation: Json, response: httpx.Response) -> bool:
    if response.status_code < 400:
        return str(response.status_code) in operation["responses"]
    return told(response)[0] in _documented_codes(operation, response.status_code)


def _bad_requests(name: str, world: World) -> Iterator[tuple[str, dict[str, Any]]]:
    """Requests by what is wrong with them, as arguments of httpx."""
    operation = OPERATIONS[name]
    identity = world.person().headers if operation.get("security") else {}
    yield "no token", {}
    yield "a broken token", {"headers": TOKEN}
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "header":
            yield f"{parameter['name']} too long", {"headers": identity | {parameter["name"]: "x" * 5000}}
    contents = operation.get("requestBody", {}).get("content", {})
    if not contents:
        return
    typed = identity | {"Content-Type": next(iter(contents))}
    yield "no body", {"headers": identity}
    yield "another media type", {"headers": identity | {"Content-Type": "text/csv"}, "content": b"a,b"}
    yield "no such syntax", {"headers": typed, "content": b'{"a": %zz\xff'}
    yield "another type", {"headers": typed, "content": b'["a"]'}
    yield "an unknown member", {"headers": typed, "content": b'{"unknown": 1}'}
    yield "too much", {"headers": typed, "content": b" " * (get_settings().max_body_bytes + 1)}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_answer_to_a_bad_request_is_documented(name: str, asgi: httpx.Client, world: World) -> None:
    method, path = name.partition(" ")[0], concrete(name)
    operation = OPERATIONS[name]
    undocumented = {
        wrong: (response.status_code, response.text[:200])
        for wrong, arguments in _bad_requests(name, world)
        if not _is_documented(operation, response := asgi.request(method, path, **arguments))
    }
    assert undocumented == {}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_token_is_wanted_where_the_description_says_so(name: str, asgi: httpx.Client) -> None:
    method, path = name.partition(" ")[0], concrete(name)
    response = asgi.request(method, path)
    assert ("www-authenticate" in response.headers) == bool(OPERATIONS[name].get("security"))


@pytest.mark.parametrize("operation_id", test_parity.OPERATIONS)
def test_what_the_parity_suite_sees_is_documented(operation_id: str) -> None:
    _, success, _, refusal, code = test_parity.OPERATIONS[operation_id]
    named = [each for each in OPERATIONS.values() if each["operationId"] == operation_id]
    assert len(named) == 1
    for status in (success, refusal):
        if status != METHOD_NOT_ALLOWED:
            assert str(status) in named[0]["responses"]
    if refusal != METHOD_NOT_ALLOWED:
        assert code in _documented_codes(named[0], refusal)
