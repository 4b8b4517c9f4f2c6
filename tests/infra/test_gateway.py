import asyncio
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from infra.local.discovery import Function, functions
from infra.local.gateway import ASGIApp, Gateway, load
from infra.local.home import PROJECT
from infra.local.importing import Broken
from infra.local.mail import Mailbox
from infra.local.pages import LINKED, Pages

LETTER = (
    b"From: a@b.example\r\nSubject: Hello\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/alternative; boundary=x\r\n\r\n"
    b"--x\r\nContent-Type: text/plain\r\n\r\nopen https://x.example/\r\n"
    b"--x\r\nContent-Type: text/html\r\n\r\n<a href='https://x.example/'>open</a>\r\n--x--\r\n"
)


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path)


@pytest.fixture
def ask(mailbox: Mailbox) -> Callable[..., httpx.Response]:
    """Ask a gateway over these functions, without a server."""

    def ask_gateway(
        path: str, apps: Mapping[str, ASGIApp | Broken] | None = None, method: str = "GET", **headers: str
    ) -> httpx.Response:
        pages = Pages(mailbox, lambda: {"functions": sorted(apps or {})})
        gateway: Any = Gateway(apps or {}, pages)

        async def talk() -> httpx.Response:
            transport = httpx.ASGITransport(gateway)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
                return await client.request(method, path, headers=headers)

        return asyncio.run(talk())

    return ask_gateway


async def echo(scope: Any, receive: Any, send: Any) -> None:
    body = f"{scope['method']} {scope['path']} {scope['raw_path'].decode()} {scope.get('root_path', '')!r}"
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})


def api(function: str) -> FastAPI:
    app = FastAPI(title=function, openapi_url=f"/v1/{function}/openapi.json")

    @app.get(f"/v1/{function}/things", tags=[function])
    def things() -> list[str]:
        return []

    return app


def assert_problem(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert {"type", "title", "status", "detail", "instance", "code", "request_id"} <= body.keys()
    assert (body["status"], body["code"]) == (status, code)
    assert response.headers["x-request-id"] == body["request_id"]


def test_a_request_reaches_the_function_of_its_prefix_with_its_path_unchanged(ask: Any) -> None:
    response = ask("/v1/auth/a%2Fb", {"auth": echo})

    assert response.text == "GET /v1/auth/a/b /v1/auth/a%2Fb ''"


@pytest.mark.parametrize("path", ["/v1/nobody/x", "/v1", "/v2/auth/x", "/v1/authority", "/x"])
def test_a_path_of_no_function_is_a_problem_of_404(ask: Any, path: str) -> None:
    assert_problem(ask(path, {"auth": echo}), 404, "not_found")


def test_what_an_issuer_with_a_path_says_of_itself_is_asked_of_its_function(ask: Any) -> None:
    path = "/.well-known/oauth-authorization-server/v1/auth"
    assert ask(path, {"auth": echo}).text == f"GET {path} {path} ''"
    for other in (f"{path}/more", path.replace("auth", "unknown"), "/.well-known/v1/auth"):
        assert ask(other, {"auth": echo}).status_code == 404


def test_the_gateways_pages_are_only_read(ask: Any) -> None:
    response = ask("/mailbox", method="POST")

    assert_problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "GET, HEAD"


def test_a_function_that_cannot_be_imported_says_so_and_leaves_the_others_working(ask: Any) -> None:
    apps = {"auth": Broken("SyntaxError in auth.py, line 3: invalid syntax", ""), "users": echo}

    assert_problem(ask("/v1/auth/login", apps), 503, "function_broken")
    assert "auth.py, line 3" in ask("/v1/auth/login", apps).json()["detail"]
    assert ask("/v1/users/me", apps).status_code == 200


def test_a_broken_module_is_found_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "broken_function_package"
    package.mkdir()
    (package / "app.py").write_text("app = 1\nthis is no Python\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(Function, "app_module", property(lambda self: f"{self.name}.app"))

    loaded = load([Function("broken_function_package", serves_http=True, handles_jobs=False)], "http")

    broken = loaded["broken_function_package"]
    assert isinstance(broken, Broken)
    assert "SyntaxError" in broken.reason
    assert "app.py, line 2" in broken.reason
    assert "importlib" not in broken.trace
    sys.modules.pop("broken_function_package", None)


def test_functions_are_found_by_their_files(tmp_path: Path) -> None:
    for name, files in {"both": ["app.py", "jobs.py"], "web": ["app.py"], "none": ["x.py"]}.items():
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).touch()
    (tmp_path / "__pycache__").mkdir()

    assert functions(tmp_path) == [
        Function("both", serves_http=True, handles_jobs=True),
        Function("web", serves_http=True, handles_jobs=False),
    ]


def test_the_documents_of_all_functions_are_merged(ask: Any) -> None:
    document = ask("/openapi.json", {"auth": api("auth"), "users": api("users")}).json()

    assert set(document["paths"]) == {"/v1/auth/things", "/v1/users/things"}


@pytest.mark.parametrize("path", ["/", "/mailbox", "/verify-email?token=x", "/sign-in", "/docs"])
def test_a_page_loads_nothing_from_elsewhere(ask: Any, path: str) -> None:
    response = ask(path)

    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert "http://" not in response.text
    assert "https://" not in response.text
    assert "x-request-id" in response.headers


def test_every_script_and_style_of_a_page_is_served(ask: Any) -> None:
    for path in ("/", "/mailbox", "/docs", "/sign-in", *LINKED):
        for line in ask(path).text.splitlines():
            if "/_lambkin/assets/" in line:
                asset = line.split('"/_lambkin/assets/')[1].split('"')[0]
                assert ask(f"/_lambkin/assets/{asset}").status_code == 200, asset


def test_every_page_that_mails_lead_to_is_there_and_knows_what_to_do(ask: Any) -> None:
    script = ask("/_lambkin/assets/link.js").text
    sources = (PROJECT / "functions").rglob("*.py")
    text = "".join(source.read_text(encoding="utf-8") for source in sources)
    linked = set(re.findall(r"frontend_url\}(/[a-z-]+)", text))
    assert linked >= {"/reset-password", "/verify-email"}
    assert {path for path in linked if ask(path).status_code != 200} == set()
    assert {path for path in LINKED if f'"{path}": {{' not in script} == set()


@pytest.mark.parametrize("name", ["..%2fpages.py", "start.html", ".hidden.js", "", "missing.js"])
def test_an_assets_name_leads_nowhere_else(ask: Any, name: str) -> None:
    assert ask(f"/_lambkin/assets/{name}").status_code == 404


def test_a_mails_html_is_shown_without_scripts_and_in_a_sandbox(ask: Any, mailbox: Mailbox) -> None:
    name = mailbox.store("a@b.example", ["ada@lambkin.example"], LETTER)

    listed = ask("/_lambkin/mails.json").json()
    assert [(mail["id"], mail["subject"]) for mail in listed] == [(name, "Hello")]
    assert ask(f"/mailbox/{name}").status_code == 200
    whole = ask(f"/mailbox/{name}/mail.json").json()
    assert whole["text"].strip() == "open https://x.example/"
    html = ask(f"/mailbox/{name}/html")
    assert "<a href='https://x.example/'>open</a>" in html.text
    policy = html.headers["content-security-policy"]
    assert "script-src" not in policy
    assert "sandbox allow-popups" in policy
    assert "allow-scripts" not in policy


def test_a_mail_that_is_not_there_is_404(ask: Any) -> None:
    assert_problem(ask("/mailbox/123-abc"), 404, "not_found")


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8000", ""])
def test_a_foreign_name_that_points_here_cannot_read_the_mailbox(ask: Any, host: str) -> None:
    assert_problem(ask("/_lambkin/mails.json", host=host), 421, "unknown_host")


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:8000"])
def test_every_name_of_this_machine_can(ask: Any, host: str) -> None:
    assert ask("/_lambkin/mails.json", host=host).status_code == 200
