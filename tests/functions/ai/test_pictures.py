"""Pictures in a conversation: as data URLs, and no others."""

import base64
from typing import Any
from uuid import uuid4

import httpx
import pytest

from functions.ai.app import app
from functions.ai.images import MOST_BYTES
from tests.functions.ai.sse import PATH
from tests.support.ollama import FakeOllama
from tests.support.world import World

KINDS = {
    "image/png": b"\x89PNG\r\n\x1a\n" + bytes(24),
    "image/jpeg": b"\xff\xd8\xff\xe0" + bytes(24),
    "image/gif": b"GIF89a" + bytes(24),
    "image/webp": b"RIFF\x1a\0\0\0WEBPVP8 " + bytes(24),
}


def url(content: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def asking_of(*urls: str, text: str = "What is this?", role: str = "user") -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}]
    parts += [{"type": "image_url", "image_url": {"url": each, "detail": "low"}} for each in urls]
    return {"model": "tiny", "messages": [{"role": role, "content": parts}]}


@pytest.fixture(scope="module")
def headers(world: World) -> dict[str, str]:
    return world.person().headers


def test_pictures_reach_the_model(asgi: httpx.Client, ollama: FakeOllama, headers: dict[str, str]) -> None:
    mark = uuid4().hex
    wanted = asking_of(*(url(content, kind) for kind, content in KINDS.items()), text=mark)
    assert asgi.post(PATH, json=wanted, headers=headers).status_code == 200
    [message] = ollama.asked(mark).body["messages"]
    assert [base64.b64decode(each) for each in message["images"]] == list(KINDS.values())
    assert message["content"] == mark
    unable = asgi.post(PATH, json=wanted | {"model": "ada/poet:3b"}, headers=headers)
    assert (unable.status_code, unable.json()["error"]["code"]) == (400, "model_refused")


def test_a_large_picture_reaches_the_model_over_every_transport(
    everywhere: httpx.Client, ollama: FakeOllama, headers: dict[str, str]
) -> None:
    mark = uuid4().hex
    content = KINDS["image/png"].ljust(MOST_BYTES - 3, b"x")
    assert everywhere.post(PATH, json=asking_of(url(content), text=mark), headers=headers).status_code == 200
    [image] = ollama.asked(mark).body["messages"][0]["images"]
    assert base64.b64decode(image) == content


@pytest.mark.parametrize(
    "given",
    [
        "http://127.0.0.1:9/cat.png",
        "https://example.com/cat.png",
        "file:///etc/passwd",
        "/etc/passwd",
        "",
        "data:,hello",
        "data:image/svg+xml;base64,PHN2Zy8+",
        "data:text/html;base64,PGI+",
        "data:image/png,plain",
        "data:image/png;base64,***",
        "data:image/png;base64,",
        url(b"<svg/>"),
        url(KINDS["image/png"], "image/jpeg"),
        url(b"RIFF\x1a\0\0\0WAVEfmt ", "image/webp"),
    ],
)
def test_what_is_no_picture_is_refused_and_nothing_is_fetched(
    asgi: httpx.Client, headers: dict[str, str], given: str
) -> None:
    refused = asgi.post(PATH, json=asking_of(given), headers=headers)
    assert refused.status_code == 422
    assert "must be" in refused.json()["error"]["message"]


def test_pictures_have_bounds(asgi: httpx.Client, headers: dict[str, str]) -> None:
    half = url(KINDS["image/png"].ljust(MOST_BYTES // 2 + 10, b"x"))
    for wanted, status in (
        (asking_of(half, half), 422),
        (asking_of(*[url(KINDS["image/png"])] * 17), 422),
        (asking_of(url(KINDS["image/png"]), role="system"), 422),
        (asking_of(url(bytes(app.max_body_bytes))), 413),
    ):
        assert asgi.post(PATH, json=wanted, headers=headers).status_code == status
