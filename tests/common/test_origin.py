"""With ORIGIN_SECRET, what passes the proxy by is refused; what comes through is the client's own."""

import httpx
import pytest
from fastapi import APIRouter

from common.app import create_app
from common.context import current_context
from tests.support.fixtures import SettingsChange
from tests.support.transports import AsgiTransport

SECRET = "what only the proxy adds to a request"
PROXY = "198.51.100.50"
router = APIRouter(prefix="/v1/users")


@router.get("/whence")
async def whence() -> dict[str, str]:
    return {"address": current_context().client_address}


@pytest.fixture
def api(settings: SettingsChange) -> httpx.Client:
    settings(ORIGIN_SECRET=SECRET)
    app = create_app("users", summary="Guarded.", router=router)
    return httpx.Client(transport=AsgiTransport(app, peer=PROXY), base_url="http://users")


@pytest.mark.parametrize("headers", [{}, {"X-Origin-Secret": "another"}, {"X-Origin-Secret": ""}])
def test_what_passes_the_proxy_by_is_refused(api: httpx.Client, headers: dict[str, str]) -> None:
    refused = api.get("/v1/users/whence", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "origin_required")
    assert refused.headers["x-request-id"] == refused.json()["request_id"]


def test_what_comes_through_is_the_clients_whom_the_proxy_saw(api: httpx.Client) -> None:
    through = {"X-Origin-Secret": SECRET, "X-Forwarded-For": "192.0.2.99", "X-Viewer-Address": "203.0.113.5"}
    # What was forwarded is what the client claims; the other is what the proxy saw.
    assert api.get("/v1/users/whence", headers=through).json() == {"address": "203.0.113.5"}
    for odd in ({}, {"X-Viewer-Address": "no address"}, {"X-Forwarded-For": "127.0.0.1"}):
        answer = api.get("/v1/users/whence", headers={"X-Origin-Secret": SECRET} | odd)
        assert answer.json() == {"address": PROXY}


def test_probes_are_open_and_nothing_that_only_ends_like_them(api: httpx.Client) -> None:
    assert api.get("/v1/users/livez").status_code == 200
    assert api.get("/v1/users/roles/livez").status_code == 403


def test_where_the_secret_cannot_be_read_it_is_a_503(api: httpx.Client, settings: SettingsChange) -> None:
    settings(ORIGIN_SECRET="secret:lambkin/test/origin#value")
    answer = api.get("/v1/users/whence", headers={"X-Origin-Secret": SECRET})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
