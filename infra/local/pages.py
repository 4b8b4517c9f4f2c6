"""The gateway's own pages: what runs, the API's documentation, the mailbox, and the page that mails link to.

No page loads anything from elsewhere, and the policy that goes with each forbids it.
"""

import importlib.util
import json
import mimetypes
import uuid
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from infra.local.function_url import Response
from infra.local.mail import Mail, Mailbox
from infra.local.problems import problem

FOLDER = Path(__file__).with_name("pages")
LISTED = 200  # mails on the mailbox page
# Where mails lead; `link.js` knows what each is for.
LINKED = (
    "/verify-email",
    "/forgot-password",
    "/reset-password",
    "/confirm-email",
    "/undo-email-change",
    "/accept-invitation",
    "/undo-deletion",
)

# Swagger UI styles elements inline and draws its icons from data: addresses.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
DOCS_POLICY = POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
# A mail is a stranger's HTML: no scripts, nothing fetched, its links open in a tab of their own.
MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)


class Pages:
    """Answers to GET on the gateway's own paths."""

    def __init__(self, mailbox: Mailbox, stack: Callable[[], dict[str, Any]]) -> None:
        self._mailbox = mailbox
        self._stack = stack
        self._fixed: dict[str, Callable[[], Response]] = {
            "/": lambda: _page("start.html"),
            "/docs": _docs,
            "/mailbox": lambda: _page("mailbox.html"),
            "/sign-in": lambda: _page("sign-in.html"),
            "/sessions": lambda: _page("sign-in.html"),
            **{path: lambda: _page("link.html") for path in LINKED},
            "/_lambkin/stack.json": lambda: _json(self._stack()),
            "/_lambkin/mails.json": lambda: _json([_listed(mail) for mail in mailbox.newest(LISTED)]),
        }

    def answer(self, path: str) -> Response | None:
        """The response for a path, or none where it is not one of ours."""
        if path in self._fixed:
            return self._fixed[path]()
        if path.startswith("/_lambkin/assets/"):
            return _asset(path.rpartition("/")[2])
        if path.startswith("/mailbox/"):
            return self._mail(path)
        return None

    def _mail(self, path: str) -> Response | None:
        name, _, kind = path.removeprefix("/mailbox/").partition("/")
        mail = self._mailbox.read(name)
        if mail is None:
            return None
        if not kind:
            return _page("mail.html")
        if kind == "mail.json":
            return _json(_listed(mail) | {"text": mail.text, "has_html": bool(mail.html)})
        if kind == "html" and mail.html:
            return _respond(200, "text/html; charset=utf-8", _opening_tabs(mail.html), MAIL_POLICY)
        return None


def _listed(mail: Mail) -> dict[str, Any]:
    fields = asdict(mail)
    return {name: fields[name] for name in ("id", "sender", "recipients", "subject")} | {
        "arrived": mail.arrived.isoformat()
    }


def _opening_tabs(html: str) -> bytes:
    """Make every link open in a new tab, where its page is no longer in the mail's sandbox."""
    return b'<base target="_blank">' + html.encode()


def _docs() -> Response:
    if _swagger_folder() is None:
        detail = "Swagger UI's files are in the package fastapi-offline, which is not installed: `uv sync`."
        return problem(503, "docs_missing", detail, "/docs")
    return _page("docs.html", DOCS_POLICY)


def _swagger_folder() -> Path | None:
    """The files of Swagger UI; the package that brings them is not imported."""
    found = importlib.util.find_spec("fastapi_offline")
    return Path(found.origin).with_name("static") if found and found.origin else None


def _asset(name: str) -> Response | None:
    """A script or style of ours, or of Swagger UI."""
    for folder in (FOLDER, _swagger_folder()):
        path = folder / name if folder and name and not name.startswith(".") else None
        if path and path.suffix in (".js", ".css", ".svg", ".png") and path.is_file():
            kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
            return _respond(200, kind, path.read_bytes(), POLICY)
    return None


def _page(name: str, policy: str = POLICY) -> Response:
    return _respond(200, "text/html; charset=utf-8", (FOLDER / name).read_bytes(), policy)


def _json(value: object) -> Response:
    return _respond(200, "application/json", json.dumps(value).encode(), POLICY)


def _respond(status: int, kind: str, content: bytes, policy: str) -> Response:
    headers = [
        ("content-type", kind),
        ("content-length", str(len(content))),
        ("content-security-policy", policy),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("x-request-id", str(uuid.uuid4())),
    ]
    return Response(status, headers, content)
