from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.health.app import app as health
from infra.doctor import exchange, proxies
from infra.doctor.findings import State
from infra.doctor.running import EdgeReport
from tests.infra.doctor.broken import HOST, assert_well, failure, look, page, said, saying, silent, web
from tests.support.fixtures import SettingsChange
from tests.support.transports import dispatch, uvicorn_server

EDGE = "frontend → backend"


@pytest.fixture
def at(settings: SettingsChange) -> Any:
    """Look at the backend of an address; pages of FRONTEND_URL call it."""

    def look_there(url: str, *origins: str, **values: str) -> EdgeReport:
        return look(settings(PUBLIC_URL=url, INTERNAL_URL=url, **values), EDGE, HOST, origins)

    return look_there


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "ANSWER_SECONDS", 0.2)


@contextmanager
def proxied(wrap: Any) -> Iterator[str]:
    """The real functions behind something in between."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await wrap(dispatch, scope, receive, send)

    with uvicorn_server(app) as url:
        yield url


def test_the_real_backend_is_well(at: Any, over_http: httpx.Client) -> None:
    report = at(str(over_http.base_url), "http://frontend:3000")
    assert_well(report)
    assert "Lambkin answers" in said(report, State.OK)
    assert "auth, users, files, health, worker, ai answer." in said(report, State.OK)
    assert "A request of 1.0 MiB arrives whole." in said(report, State.OK)


def test_another_origin_is_refused_by_cors(at: Any, over_http: httpx.Client) -> None:
    found = failure(at(str(over_http.base_url), "http://localhost:3001"))
    assert found.startswith("CORS: Pages of http://localhost:3001 may not call: CORS refuses that origin.")
    assert "CORS_ORIGINS=http://localhost:3001" in found


def test_a_port_that_browsers_leave_out_is_found(at: Any, over_http: httpx.Client) -> None:
    # The functions of `over_http` allow http://frontend:3000; this is about what browsers send.
    found = failure(at(str(over_http.base_url), FRONTEND_URL="http://frontend:80"))
    assert "Pages of http://frontend may not call" in found


def test_somebody_elses_page_is_not_lambkin(at: Any) -> None:
    with web(page) as server:
        found = failure(at(server.url))
    assert "answers: Something else answers, not Lambkin: status 200 with text/html from Apache." in found


def test_the_frontend_in_place_of_the_backend(at: Any) -> None:
    with web(lambda *_: (404, {"X-Powered-By": "Next.js", "Content-Type": "text/html"}, b"")) as server:
        assert "The frontend itself answers, not Lambkin" in failure(at(server.url))


def test_a_gateway_without_its_functions(at: Any) -> None:
    with web(lambda *_: (502, {"Server": "Caddy"}, b"")) as server:
        found = failure(at(server.url))
    assert "A proxy answers 502: what it passes requests to does not answer it." in found
    assert "functions must listen on 0.0.0.0" in found


def test_a_gateway_that_speaks_as_the_functions_do(at: Any) -> None:
    problem = b'{"type": "urn:lambkin:problem:unavailable", "detail": "What answers here is down."}'
    with web(lambda *_: (503, {"Content-Type": "application/problem+json"}, problem)) as server:
        found = failure(at(server.url))
    assert "Lambkin answers, but not /v1/health/live: status 503, What answers here is down." in found


def test_a_redirection_to_https(at: Any) -> None:
    with web(lambda *_: (308, {"Location": "https://api.lambkin.example/v1/health/live"}, b"")) as server:
        assert "a redirection to https://api.lambkin.example." in failure(at(server.url))


@pytest.mark.usefixtures("impatient")
def test_a_server_that_says_nothing(at: Any) -> None:
    with silent() as server:
        assert "It takes connections and says nothing within 0.2 s." in failure(at(server.url))


def test_what_speaks_no_http(at: Any) -> None:
    with saying(b"220 mail.lambkin.example ESMTP\r\n") as server:
        assert "What answers there does not speak HTTP." in failure(at(server.url))
    with saying(b"") as server:
        assert "It closes the connection without an answer." in failure(at(server.url))


def test_https_where_there_is_none(at: Any, over_http: httpx.Client) -> None:
    url = str(over_http.base_url).replace("http:", "https:")
    assert "It speaks no TLS. → Write http:// in PUBLIC_URL" in failure(at(url))


@pytest.mark.parametrize(
    ("minutes", "state", "words"),
    [
        (3, State.WARNING, "Its clock is 3 min ahead of ours"),
        (-90, State.FAILED, "Its clock is 90 min behind ours: presigned links and tokens are refused."),
    ],
)
def test_a_clock_that_is_wrong(at: Any, minutes: int, state: State, words: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    live = {"Content-Type": "application/json", "Date": date}
    with web(lambda *_: (200, live, b'{"state": "ok"}')) as server:
        report = at(server.url)
    assert words in said(report, state)


def test_a_prefix_that_leads_elsewhere(at: Any) -> None:
    async def wrap(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        leads_to = health if scope["path"].startswith("/v1/worker") else app
        await leads_to(scope, receive, send)

    with proxied(wrap) as url:
        found = failure(at(url, "http://frontend:3000"))
    assert "functions: /v1/worker does not lead to worker: status 404" in found


def test_a_proxy_that_drops_tokens(at: Any) -> None:
    async def wrap(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [pair for pair in scope["headers"] if pair[0] != b"authorization"]
        await app({**scope, "headers": headers}, receive, send)

    with proxied(wrap) as url:
        found = failure(at(url, "http://frontend:3000"))
    assert found.startswith("tokens: The header Authorization gets lost on the way")


def test_a_proxy_that_cuts_requests(at: Any) -> None:
    async def wrap(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        left = 100_000

        async def cut() -> Message:
            nonlocal left
            message = await receive()
            message["body"] = message.get("body", b"")[:left]
            left -= len(message["body"])
            return message

        await app(scope, cut, send)

    with proxied(wrap) as url:
        found = failure(at(url, "http://frontend:3000"))
    assert found.startswith("requests: A request of 1.0 MiB arrives cut off.")
    assert "`experimental.proxyClientMaxBodySize`" in found


def test_a_proxy_that_refuses_large_requests(at: Any) -> None:
    async def wrap(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            headers = [(b"content-type", b"text/html"), (b"server", b"nginx"), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 413, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
        else:
            await app(scope, receive, send)

    with proxied(wrap) as url:
        found = failure(at(url, "http://frontend:3000"))
    assert found.startswith("requests: A proxy refuses a request of 1.0 MiB")
    assert "`client_max_body_size`" in found


def test_a_proxy_that_loses_large_requests(at: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def wrap(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            # It waits for what will never come, until its client leaves.
            while (await receive())["type"] != "http.disconnect":
                pass
        else:
            await app(scope, receive, send)

    monkeypatch.setattr(proxies, "_BODY_SECONDS", 0.3)
    with proxied(wrap) as url:
        report = at(url, "http://frontend:3000")
    assert "requests: A request of 1.0 MiB gets no answer." in said(report, State.WARNING)


def test_a_proxy_that_cuts_answers(at: Any) -> None:
    def answer(_method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        headers = {"Content-Type": "application/json"}
        if path.endswith("openapi.json"):
            return 200, headers | {"Content-Length": "100000"}, b'{"openapi": '
        return 200, headers, b'{"state": "ok"}'

    with web(answer) as server:
        found = said(at(server.url), State.FAILED)
    assert "responses: A large answer arrives cut off, after 1 KiB." in found


def test_a_proxy_that_answers_cors_as_well(at: Any) -> None:
    async def wrap(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"access-control-allow-origin", b"*")]
            await send(message)

        await app(scope, receive, add)

    with proxied(wrap) as url:
        assert "CORS: Access-Control-Allow-Origin comes twice" in failure(at(url, "http://frontend:3000"))


def test_a_proxy_that_swallows_preflights(at: Any) -> None:
    async def wrap(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            await send({"type": "http.response.start", "status": 405, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
        else:
            await app(scope, receive, send)

    with proxied(wrap) as url:
        found = failure(at(url, "http://frontend:3000"))
    assert "CORS: The preflight is not answered by Lambkin: status 405" in found


def test_a_proxy_that_collects_requests_is_told_from_one_that_does_not(
    at: Any, over_http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wrap(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        messages = [await receive()]
        while messages[-1].get("more_body"):
            messages.append(await receive())

        async def replay() -> Message:
            return messages.pop(0)

        if messages[-1]["type"] != "http.disconnect":
            await app(scope, replay, send)

    direct = at(str(over_http.base_url), "http://frontend:3000")
    assert "buffering: Requests are passed on as they come." in said(direct, State.OK)
    monkeypatch.setattr(proxies, "_COLLECT_SECONDS", 0.3)
    with proxied(wrap) as url:
        report = at(url, "http://frontend:3000")
    assert_well(report)
    assert "buffering: Requests are collected before they are passed on" in said(report, State.OK)


def test_who_is_known_to_hold_back_streams_is_named(at: Any) -> None:
    async def wrap(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"via", b"1.1 nginx")]
            await send(message)

        await app(scope, receive, add)

    with proxied(wrap) as url:
        report = at(url, "http://frontend:3000")
    assert_well(report)
    assert "Nginx is in between. Whether it holds back streams cannot be told" in said(report, State.OK)


def test_a_functions_own_address(settings: SettingsChange, over_http: httpx.Client) -> None:
    well = settings(FUNCTION_URLS=f'{{"users": "{over_http.base_url}"}}')
    assert_well(look(well, "health → users"))
    with web(page) as server:
        changed = settings(FUNCTION_URLS=f'{{"users": "{server.url}"}}')
        assert "users does not answer: status 200 with text/html" in failure(look(changed, "health → users"))


def test_beside_a_docker_network_its_usual_frontend_is_asked_for(
    at: Any, over_http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FRONTEND_URL", "CORS_ORIGINS"):
        monkeypatch.delenv(name, raising=False)
    assert "Pages of http://localhost:3000 may not call" in failure(at(str(over_http.base_url)))
