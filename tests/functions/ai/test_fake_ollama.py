"""The server that stands in for Ollama speaks as Ollama's published description says, faults aside."""

import json
from typing import Any

import httpx
import pytest

from tests.support.ollama import MODEL, FakeOllama
from tests.support.ollama_schemas import misfit, properties

type Json = dict[str, Any]

ASKED: Json = {"messages": [{"role": "user", "content": "say 2"}]}
CALLING: Json = {
    "messages": [{"role": "user", "content": 'call weather {"city": "Oslo"}'}],
    "tools": [{"type": "function", "function": {"name": "weather", "parameters": {}}}],
}


def post(ollama: FakeOllama, path: str, body: Json) -> httpx.Response:
    return httpx.post(f"{ollama.url}{path}", json=body)


def fits(name: str, value: Json) -> None:
    assert misfit(name, value) == ""
    # The schemas leave room for more, and so for typos.
    assert set(value) <= properties(name), f"{name} has other members"


@pytest.mark.parametrize(("path", "name"), [("version", "VersionResponse"), ("tags", "ListResponse")])
def test_what_it_tells_of_itself_fits(ollama: FakeOllama, path: str, name: str) -> None:
    fits(name, httpx.get(f"{ollama.url}/api/{path}").json())


def test_models_and_vectors_fit(ollama: FakeOllama) -> None:
    fits("ShowResponse", post(ollama, "/api/show", {"model": MODEL}).json())
    fits("EmbedResponse", post(ollama, "/api/embed", {"model": "vectors", "input": ["a", "b"]}).json())


@pytest.mark.parametrize("body", [ASKED, ASKED | {"think": True}, CALLING])
def test_every_line_of_a_chat_fits(ollama: FakeOllama, body: Json) -> None:
    answer = post(ollama, "/api/chat", body | {"model": "tiny"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    *lines, last = [json.loads(line) for line in answer.text.splitlines()]
    for line in lines:
        fits("ChatStreamEvent", line)
        assert set(line["message"]) <= {"role", "content", "thinking", "tool_calls"}
        assert line["done"] is False
    fits("ChatResponse", last)
    assert last["done"] is True


@pytest.mark.parametrize(
    ("model", "status"), [("nobody", 404), ("refusing", 400), ("busy", 503), ("crashed", 500)]
)
def test_its_refusals_fit(ollama: FakeOllama, model: str, status: int) -> None:
    answer = post(ollama, "/api/chat", ASKED | {"model": model})
    assert answer.status_code == status
    fits("ErrorResponse", answer.json())


def test_what_ollama_does_not_take_it_does_not_take_either(ollama: FakeOllama) -> None:
    for body in (
        {"messages": [{"role": "nobody", "content": ""}]},
        {"messages": "hello"},
        ASKED | {"think": 7},
    ):
        with pytest.raises(httpx.HTTPError):
            post(ollama, "/api/chat", body | {"model": "tiny"})
