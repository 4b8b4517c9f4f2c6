"""Function URLs: an HTTP request as the event that Lambda makes of it, and a handler's result as a response.

Payload format 2.0, after AWS' documentation of "Request and response payloads" of Lambda function URLs.
Both directions are plain JSON values: what cannot be serialised here cannot cross Lambda either.
"""

import base64
import binascii
import json
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

PAYLOAD_LIMIT = 6 * 1024 * 1024  # bytes of an event, and of a result, as JSON
URL_ID = "lambkinlambkinlambkinlambkin1234"
TEXT_TYPES = ("text/", "application/json", "application/javascript", "application/xml")
# They concern one connection, and end at the function URL.
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
BODILESS = frozenset({204, 304})

type Headers = Iterable[tuple[bytes, bytes]]


class BadResult(Exception):
    """A handler returned what a function URL cannot turn into a response."""


@dataclass(frozen=True)
class Response:
    """An HTTP response; header names are lower-case, and repeat where a client must see several."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def to_event(  # noqa: PLR0913 - the parts of an HTTP request, each needed
    method: str,
    raw_path: str,
    query_string: str,
    headers: Headers,
    body: bytes,
    source_ip: str,
    *,
    scheme: str = "https",
) -> dict[str, Any]:
    """The event for a request; `raw_path` and `query_string` as they were sent, percent-encoded.

    Headers come lower-case, repeated ones joined by a comma, cookies in a list of their own. A body that is
    not text is base64; an empty one is left out.
    """
    combined, cookies = _combine(headers)
    combined = _forwarded(combined, source_ip, scheme)
    http = {
        "method": method,
        "path": raw_path,
        "protocol": "HTTP/1.1",
        "sourceIp": source_ip,
        "userAgent": combined.get("user-agent", ""),
    }
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": raw_path,
        "rawQueryString": query_string,
        "headers": combined,
        "requestContext": _request_context(http),
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if query_string:
        event["queryStringParameters"] = _query(query_string)
    if body:
        event["body"], event["isBase64Encoded"] = _encode(body, combined.get("content-type", ""))
    return event


def _request_context(http: dict[str, str]) -> dict[str, Any]:
    now = time.time()
    return {
        "accountId": "anonymous",
        "apiId": URL_ID,
        "domainName": f"{URL_ID}.lambda-url.us-east-1.on.aws",
        "domainPrefix": URL_ID,
        "http": http,
        "requestId": str(uuid.uuid4()),
        "routeKey": "$default",
        "stage": "$default",
        "time": datetime.fromtimestamp(now, tz=UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": round(now * 1000),
    }


def _combine(headers: Headers) -> tuple[dict[str, str], list[str]]:
    combined: dict[str, str] = {}
    cookies: list[str] = []
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name == "cookie":
            cookies.extend(part.strip() for part in value.split(";") if part.strip())
        elif name not in HOP_BY_HOP:
            combined[name] = f"{combined[name]},{value}" if name in combined else value
    return combined, cookies


def _forwarded(headers: dict[str, str], source_ip: str, scheme: str) -> dict[str, str]:
    """What AWS adds on the way; a client's own X-Forwarded-For stays, with its address behind it."""
    known = headers.get("x-forwarded-for")
    return headers | {
        "x-forwarded-for": f"{known}, {source_ip}" if known else source_ip,
        "x-forwarded-proto": scheme,
        "x-forwarded-port": "443" if scheme == "https" else "80",
        "x-amzn-trace-id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}",
    }


def _query(query_string: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query_string, keep_blank_values=True):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    return parameters


def _encode(body: bytes, content_type: str) -> tuple[str, bool]:
    if content_type.lower().startswith(TEXT_TYPES):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass  # it calls itself text and is none: bytes then, as Lambda does
    return base64.b64encode(body).decode(), True


def from_result(result: Any) -> Response:  # noqa: ANN401 - whatever JSON value a handler returned
    """The response for a handler's result: an object with `statusCode`, or any other value as JSON with 200.

    Raises BadResult.
    """
    if not isinstance(result, Mapping) or "statusCode" not in result:
        return _respond(200, [("content-type", "application/json")], json.dumps(result).encode())
    try:
        status = int(result["statusCode"])
        headers = [(name.lower(), _text(value)) for name, value in (result.get("headers") or {}).items()]
        headers += [("set-cookie", _text(cookie)) for cookie in result.get("cookies") or ()]
        body = _decode(result)
    except (TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise BadResult(f"The handler's result is no response: {error}.") from error
    if not 100 <= status <= 599:
        raise BadResult(f"The handler's statusCode {status} is no HTTP status.")
    return _respond(status, headers, body)


def _text(value: object) -> str:
    """A header's value. Raises TypeError for what JSON could not have carried as one."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise TypeError(f"a header's value is {type(value).__name__}")


def _decode(result: Mapping[str, Any]) -> bytes:
    body = result.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        return json.dumps(body).encode()
    return base64.b64decode(body, validate=True) if result.get("isBase64Encoded") else body.encode()


def _respond(status: int, headers: list[tuple[str, str]], body: bytes) -> Response:
    kept = [(name, value) for name, value in headers if name not in HOP_BY_HOP]
    names = {name for name, _ in kept}
    if "content-type" not in names and body:
        kept.append(("content-type", "application/json"))
    if "content-length" not in names and status not in BODILESS and status >= 200:
        kept.append(("content-length", str(len(body))))
    return Response(status, kept, body)
