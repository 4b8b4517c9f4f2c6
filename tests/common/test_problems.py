"""Bad input of every kind is a 4xx problem, over every transport."""

import json
from typing import Any

import httpx
import pytest

from tests.support.world import World

JSON = {"Content-Type": "application/json"}
LOGIN = "/v1/auth/login"
# Takes bodies of the usual size, where sign-in refuses a large one.
LINK = "/v1/users/undo-deletion"


def refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    body: dict[str, Any] = response.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == f"urn:lambkin:problem:{code}"
    assert body["request_id"] == response.headers["x-request-id"]
    return body


@pytest.mark.parametrize(
    "path", ["/v1/auth/", "/v1/auth/nothing", "/v1/users/me/", "/v1/auth/%00", "/v1/users/%2e%2e"]
)
def test_an_unknown_path_is_404(everywhere: httpx.Client, path: str) -> None:
    refused(everywhere.get(path), 404, "not_found")


def test_a_wrong_method_is_405_and_names_the_right_ones(everywhere: httpx.Client) -> None:
    response = everywhere.put("/v1/auth/login")
    refused(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "POST"


def test_a_body_over_the_limit_is_413(everywhere: httpx.Client) -> None:
    body = json.dumps({"email": "a@b.example", "password": "x" * 1_100_000})
    refused(everywhere.post(LOGIN, content=body, headers=JSON), 413, "content_too_large")


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded", ""])
def test_a_body_of_another_type_is_415(everywhere: httpx.Client, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    refused(
        everywhere.post(LOGIN, content=b'{"email": "a@b.example"}', headers=headers),
        415,
        "unsupported_media_type",
    )


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"email": }',
        b"\xff\xfe\xfa",
        b'{"email": "\xff"}',
        b"[" * 500_000,
        b'{"a":' * 200_000,
        b"nul",
        b"{}{}",
        b'{"token": NaN}',
        b'{"token": -Infinity}',
        b'{"token": [{"a": 1e999}]}',
        b'{"token": -1' + b"0" * 400 + b"}",
    ],
    ids=[
        "cut off",
        "no value",
        "not UTF-8",
        "a string that is not UTF-8",
        "deep lists",
        "deep objects",
        "a word",
        "two",
        "not a number",
        "infinite",
        "too large for a float",
        "an integer too large for a float",
    ],
)
def test_a_body_that_is_no_json_is_400(everywhere: httpx.Client, body: bytes) -> None:
    refused(everywhere.post(LINK, content=body, headers=JSON), 400, "bad_request")


def test_1_mb_of_nesting_that_is_json_is_4xx(everywhere: httpx.Client) -> None:
    response = everywhere.post(LINK, content=b"[" * 500_000 + b"]" * 500_000, headers=JSON)
    assert response.status_code in (400, 422)
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        "null",
        "[]",
        "1",
        '"x"',
        '{"email": 1, "password": []}',
        '{"email": "a@b.example", "password": "x", "more": 1}',
    ],
)
def test_values_that_do_not_fit_are_422_with_their_places(everywhere: httpx.Client, body: str) -> None:
    told = refused(everywhere.post(LOGIN, content=body, headers=JSON), 422, "invalid_input")
    assert all(
        error["pointer"].startswith("#") and error["code"] and error["detail"] for error in told["errors"]
    )


@pytest.mark.parametrize("text", ["nul \x00 byte", "\\ud800 lone surrogate"])
def test_text_that_cannot_be_stored_is_4xx(everywhere: httpx.Client, world: World, text: str) -> None:
    headers = world.person().headers | JSON | {"If-Match": "*"}
    body = json.dumps({"name": text}) if "\x00" in text else f'{{"name": "{text}"}}'
    response = everywhere.patch("/v1/users/me", content=body, headers=headers)
    assert 400 <= response.status_code < 500, response.text
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("value", ["nul \x00 byte", "\\ud800"])
@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (LOGIN, ["email", "password"]),
        ("/v1/auth/register", ["email", "password", "name"]),
        ("/v1/auth/verify-email", ["token"]),
        ("/v1/auth/refresh", ["refresh_token"]),
    ],
)
def test_no_field_turns_odd_text_into_a_fault_of_ours(
    asgi: httpx.Client, path: str, fields: list[str], value: str
) -> None:
    good = {
        "email": "odd@lambkin.example",
        "password": "a good password",
        "name": "x",
        "token": "x",
        "refresh_token": "x",
    }
    for odd in fields:
        body = json.dumps({name: value if name == odd else good[name] for name in fields}).replace(
            "\\\\ud", "\\ud"
        )
        response = asgi.post(path, content=body, headers=JSON)
        assert response.status_code < 500, (odd, response.text)


def test_a_form_with_odd_bytes_is_4xx(everywhere: httpx.Client) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (
        b"grant_type=%ff%00&username=%ff",
        b"\xff=\x00",
        b"grant_type=password&username=%00&password=%00",
    ):
        response = everywhere.post("/v1/auth/token", content=body, headers=headers)
        assert 400 <= response.status_code < 500, response.text
        assert response.headers["content-type"] == "application/problem+json"


def test_cors_headers_are_on_errors_too(everywhere: httpx.Client) -> None:
    response = everywhere.get("/v1/auth/nothing", headers={"Origin": "http://frontend:3000"})
    assert response.headers["access-control-allow-origin"] == "http://frontend:3000"
    assert (
        "access-control-allow-origin"
        not in everywhere.get("/v1/auth/nothing", headers={"Origin": "https://evil.example"}).headers
    )


def test_a_preflight_is_answered_for_our_frontend(everywhere: httpx.Client) -> None:
    headers = {
        "Origin": "http://frontend:3000",
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization,if-match,idempotency-key,last-event-id",
    }
    response = everywhere.options("/v1/users/me", headers=headers)
    assert response.status_code == 200
    assert "PATCH" in response.headers["access-control-allow-methods"]


def test_a_well_formed_request_id_is_kept_and_another_is_not(everywhere: httpx.Client) -> None:
    path = "/v1/users/livez"
    assert (
        everywhere.get(path, headers={"X-Request-ID": "from-the-proxy-1"}).headers["x-request-id"]
        == "from-the-proxy-1"
    )
    assert everywhere.get(path, headers={"X-Request-ID": 'evil" x'}).headers["x-request-id"] != 'evil" x'
