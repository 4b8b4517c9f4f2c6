import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from mangum import Mangum

from infra.local.function_url import BadResult, Response, from_result, to_event

type Headers = list[tuple[bytes, bytes]]


def event(
    path: str = "/v1/auth/login", query: str = "", headers: Headers | None = None, body: bytes = b""
) -> dict[str, Any]:
    made = to_event("POST", path, query, headers or [], body, "203.0.113.7")
    carried: dict[str, Any] = json.loads(json.dumps(made))
    return carried


def test_an_event_has_the_members_that_a_function_url_gives_it() -> None:
    made = event(headers=[(b"User-Agent", b"curl/8")])

    assert made["version"] == "2.0"
    assert made["routeKey"] == made["requestContext"]["routeKey"] == "$default"
    assert made["rawPath"] == "/v1/auth/login"
    assert made["isBase64Encoded"] is False
    context = made["requestContext"]
    assert context["http"] == {
        "method": "POST",
        "path": "/v1/auth/login",
        "protocol": "HTTP/1.1",
        "sourceIp": "203.0.113.7",
        "userAgent": "curl/8",
    }
    assert context["domainName"].startswith(context["apiId"])
    assert context["timeEpoch"] > 1_700_000_000_000
    assert context["time"].endswith(" +0000")


def test_cookies_leave_the_headers_for_a_list_of_their_own() -> None:
    made = event(headers=[(b"cookie", b"a=1; b=2"), (b"Cookie", b"c=3")])

    assert made["cookies"] == ["a=1", "b=2", "c=3"]
    assert "cookie" not in made["headers"]


def test_repeated_headers_are_lower_case_and_joined_by_commas() -> None:
    made = event(headers=[(b"Accept", b"text/html"), (b"ACCEPT", b"application/json")])

    assert made["headers"]["accept"] == "text/html,application/json"


def test_headers_of_the_connection_end_at_the_function_url() -> None:
    made = event(headers=[(b"connection", b"keep-alive"), (b"transfer-encoding", b"chunked"), (b"x-a", b"1")])

    assert "connection" not in made["headers"]
    assert "transfer-encoding" not in made["headers"]
    assert made["headers"]["x-a"] == "1"


def test_a_claimed_forwarded_address_is_followed_by_the_real_one() -> None:
    made = event(headers=[(b"x-forwarded-for", b"198.51.100.1")])

    assert made["headers"]["x-forwarded-for"] == "198.51.100.1, 203.0.113.7"


def test_repeated_query_parameters_are_kept_raw_and_joined() -> None:
    made = event(query="a=1&a=2&b=%2F&c=")

    assert made["rawQueryString"] == "a=1&a=2&b=%2F&c="
    assert made["queryStringParameters"] == {"a": "1,2", "b": "/", "c": ""}


def test_a_percent_encoded_path_stays_encoded() -> None:
    made = event(path="/v1/files/a%2Fb%20c")

    assert made["rawPath"] == made["requestContext"]["http"]["path"] == "/v1/files/a%2Fb%20c"


def test_an_empty_body_is_left_out() -> None:
    assert "body" not in event()
    assert event()["isBase64Encoded"] is False


@pytest.mark.parametrize("kind", [b"application/json", b"text/plain; charset=utf-8", b"Application/JSON"])
def test_text_crosses_as_text(kind: bytes) -> None:
    made = event(headers=[(b"content-type", kind)], body='{"a": "é"}'.encode())

    assert made["body"] == '{"a": "é"}'
    assert made["isBase64Encoded"] is False


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"image/png", b"\x89PNG\x00\xff"),
        (b"application/x-www-form-urlencoded", b"a=b"),
        (b"application/json", b"\xff\xfe not UTF-8"),
        (b"", b"anything"),
    ],
)
def test_what_is_not_text_crosses_as_base64(kind: bytes, body: bytes) -> None:
    made = event(headers=[(b"content-type", kind)], body=body)

    assert base64.b64decode(made["body"]) == body
    assert made["isBase64Encoded"] is True


@pytest.fixture
def loop() -> Iterator[None]:
    """Mangum takes the thread's current loop."""
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield
    asyncio.set_event_loop(None)
    made.close()


@pytest.mark.usefixtures("loop")
def test_mangum_reads_the_event_as_the_request_that_was_sent() -> None:
    seen: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope)
        seen["body"] = (await receive())["body"]
        headers = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"content-type", b"image/png")]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": b"\x89PNG\xff"})

    made = event("/v1/a%20b", "x=1&x=2", [(b"cookie", b"s=1"), (b"host", b"localhost:8000")], b"\x00\x01")
    context: Any = None
    result = Mangum(app, lifespan="off")(made, context)
    response = from_result(json.loads(json.dumps(result)))

    assert (seen["method"], seen["path"], seen["query_string"]) == ("POST", "/v1/a b", b"x=1&x=2")
    assert seen["client"][0] == "203.0.113.7"
    assert [b"cookie", b"s=1"] in seen["headers"]
    assert seen["body"] == b"\x00\x01"
    assert response.status == 201
    assert response.body == b"\x89PNG\xff"
    assert [value for name, value in response.headers if name == "set-cookie"] == ["a=1", "b=2"]


def test_a_result_becomes_the_response_that_it_describes() -> None:
    result = {
        "statusCode": 200,
        "headers": {"Content-Type": "text/plain", "X-Number": 3},
        "cookies": ["a=1; HttpOnly", "b=2"],
        "body": "hé",
        "isBase64Encoded": False,
    }
    response = from_result(result)

    assert response.body == "hé".encode()
    assert ("content-type", "text/plain") in response.headers
    assert ("x-number", "3") in response.headers
    assert ("content-length", "3") in response.headers
    assert [value for name, value in response.headers if name == "set-cookie"] == ["a=1; HttpOnly", "b=2"]


def test_a_base64_body_is_decoded() -> None:
    body = base64.b64encode(b"\x00\xff").decode()

    assert from_result({"statusCode": 200, "body": body, "isBase64Encoded": True}).body == b"\x00\xff"


def test_a_result_without_a_status_is_json_with_200() -> None:
    expected = [("content-type", "application/json"), ("content-length", "8")]

    assert from_result({"a": 1}) == Response(200, expected, b'{"a": 1}')


@pytest.mark.parametrize("status", [204, 304])
def test_a_bodiless_status_gets_no_length(status: int) -> None:
    assert from_result({"statusCode": status}).headers == []


@pytest.mark.parametrize(
    "result",
    [
        {"statusCode": "many"},
        {"statusCode": 99},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"a": ["b"]}},
        {"statusCode": 200, "body": "no base64!", "isBase64Encoded": True},
    ],
)
def test_what_is_no_response_is_refused(result: dict[str, Any]) -> None:
    with pytest.raises(BadResult):
        from_result(result)
