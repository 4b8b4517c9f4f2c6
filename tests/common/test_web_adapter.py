"""Behind Lambda's Web Adapter the client is whom the function URL saw; elsewhere that header is hearsay."""

import json
from typing import Any

import httpx
import pytest
from fastapi import APIRouter

from common import edge
from common.app import create_app, lambda_handler
from common.context import current_context
from infra.local import function_url
from tests.support.transports import AsgiTransport

CLIENT = "203.0.113.9"
router = APIRouter(prefix="/v1/users")


@router.get("/whence")
async def whence() -> dict[str, str]:
    return {"address": current_context().client_address}


def context(address: object) -> str:
    return json.dumps({"http": {"method": "GET", "sourceIp": address}, "stage": "$default"})


def ask(peer: str, headers: list[tuple[str, str]]) -> str:
    app = create_app("users", summary="Asked by the adapter.", router=router)
    with httpx.Client(transport=AsgiTransport(app, peer=peer), base_url="http://users") as client:
        return str(client.get("/v1/users/whence", headers=headers).json()["address"])


@pytest.fixture
def behind_the_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "BEHIND_ADAPTER", True)


@pytest.mark.usefixtures("behind_the_adapter")
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1"])
def test_the_adapter_is_believed_and_who_forwarded_is_not(peer: str) -> None:
    headers = [("x-amzn-request-context", context(CLIENT)), ("x-forwarded-for", f"192.0.2.99, {CLIENT}")]
    assert ask(peer, headers) == CLIENT


@pytest.mark.usefixtures("behind_the_adapter")
@pytest.mark.parametrize(
    "given",
    [
        [],
        ["no JSON"],
        ["null"],
        ["{}"],
        ['{"http": []}'],
        [context("nobody")],
        [context(7)],
        # The adapter leaves one: of two, a client has written one.
        [context("192.0.2.99"), context(CLIENT)],
    ],
)
def test_what_is_no_context_of_the_adapters_changes_nothing(given: list[str]) -> None:
    assert ask("127.0.0.1", [("x-amzn-request-context", each) for each in given]) == "127.0.0.1"


@pytest.mark.usefixtures("behind_the_adapter")
def test_who_is_not_on_loopback_is_not_the_adapter() -> None:
    assert ask("198.51.100.7", [("x-amzn-request-context", context(CLIENT))]) == "198.51.100.7"


@pytest.mark.parametrize("peer", ["127.0.0.1", "198.51.100.7"])
def test_anywhere_else_the_header_is_whatever_a_client_wrote(peer: str) -> None:
    assert ask(peer, [("x-amzn-request-context", context(CLIENT))]) == peer


def test_through_mangum_it_is_the_event_that_tells() -> None:
    app = create_app("users", summary="Asked by Mangum.", router=router)
    headers = [(b"host", b"x"), (b"x-amzn-request-context", context(CLIENT).encode())]
    event = function_url.to_event("GET", "/v1/users/whence", "", headers, b"", "198.51.100.7")
    result: dict[str, Any] = lambda_handler(app)(event, None)
    assert json.loads(result["body"]) == {"address": "198.51.100.7"}
