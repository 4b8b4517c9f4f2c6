"""Calls of `files` as a client makes them, and the bucket's answers."""

import hashlib
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.jobs import run_jobs
from tests.support.world import Person, World

TEXT = b"Shall I compare thee to a summer's day?\n"


@dataclass(frozen=True)
class Client:
    """What one person does with their files."""

    http: httpx.Client
    person: Person
    world: World

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = self.person.headers | options.pop("headers", {})
        return self.http.request(method, f"/v1/files{path}", headers=headers, **options)

    def post_file(
        self, content: bytes = TEXT, name: str = "sonnet.txt", kind: str = "text/plain"
    ) -> httpx.Response:
        return self.call("POST", "", files={"file": (name, content, kind)})

    def start(self, content: bytes = TEXT, **wanted: Any) -> httpx.Response:
        digest = {} if wanted.get("in_parts") else {"sha256": hashlib.sha256(content).hexdigest()}
        return self.call(
            "POST", "/uploads", json={"name": "sonnet.txt", "size": len(content)} | digest | wanted
        )

    def complete(self, upload: dict[str, Any], **known: Any) -> httpx.Response:
        return self.call("POST", f"/uploads/{upload['id']}/complete", json=known)

    def upload(self, content: bytes = TEXT, **wanted: Any) -> dict[str, Any]:
        """A file by a single upload to the bucket."""
        started = self.start(content, **wanted).json()
        assert send(started["request"], content).status_code == 200
        file: dict[str, Any] = self.complete(started).json()
        return file

    def file(
        self, content: bytes = TEXT, name: str = "sonnet.txt", kind: str = "text/plain"
    ) -> dict[str, Any]:
        """A file by a simple upload."""
        answer = self.post_file(content, name, kind)
        assert answer.status_code == 201, answer.text
        file: dict[str, Any] = answer.json()
        return file

    def read(self, file: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", f"/{file['id']}").json()
        return found

    def content(self, file: dict[str, Any], **query: Any) -> httpx.Response:
        """The bucket's answer."""
        link = self.call("GET", f"/{file['id']}/content", params=query)
        assert link.status_code == 302, link.text
        return httpx.get(link.headers["location"])

    def usage(self) -> dict[str, int]:
        usage: dict[str, int] = self.call("GET", "/usage").json()
        return usage

    def run_jobs(self) -> int:
        return run_jobs("files")


def send(request: dict[str, Any], content: bytes, **others: str) -> httpx.Response:
    """What a client sends to the bucket, as it was told to."""
    headers = request["headers"] | others
    return httpx.request(request["method"], request["url"], headers=headers, content=content)
