"""A conversation goes on, whole or as it is said, over every transport."""

from uuid import uuid4

import httpx
import pytest

from tests.functions.ai.sse import PATH, asking, events, words
from tests.support.api_keys import mint
from tests.support.ollama import MODEL, FakeOllama
from tests.support.world import World


def test_an_answer_comes_whole_with_its_counts(
    everywhere: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    answer = everywhere.post(PATH, json=asking("say 4"), headers=world.person().headers)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["object"], body["model"]) == ("chat.completion", "tiny")
    assert body["id"].startswith("chatcmpl-")
    [choice] = body["choices"]
    assert choice["message"] == {"role": "assistant", "content": "w0 w1 w2 w3 ", "reasoning": None}
    assert choice["finish_reason"] == "stop"
    assert body["usage"] == {"prompt_tokens": 7, "completion_tokens": 4, "total_tokens": 11}


def test_a_stream_says_the_same_over_every_transport_and_ends_as_openai_s_do(
    everywhere: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    wanted = asking("say 4", stream=True, stream_options={"include_usage": True})
    answer = everywhere.post(PATH, json=wanted, headers=world.person().headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    *chunks, counts, end = events(answer.text.splitlines())
    assert end is None
    assert counts is not None
    assert (counts["choices"], counts["usage"]["total_tokens"]) == ([], 11)
    assert words(chunks) == "w0 w1 w2 w3 "
    assert {(chunk["id"], chunk["object"], chunk["usage"]) for chunk in chunks if chunk} == {
        (counts["id"], "chat.completion.chunk", None)
    }
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks if chunk]
    assert reasons == [None] * (len(reasons) - 1) + ["stop"]
    assert chunks[0]
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"


def test_a_stream_that_cannot_be_one_says_so(
    function_urls: httpx.Client, asgi: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    headers = world.person().headers
    buffered = function_urls.post(PATH, json=asking("say 2", stream=True), headers=headers)
    assert buffered.headers["x-lambkin-stream"] == "buffered"
    for other in (
        function_urls.post(PATH, json=asking("say 2"), headers=headers),
        asgi.post(PATH, json=asking("say 2", stream=True), headers=headers),
    ):
        assert "x-lambkin-stream" not in other.headers


def test_what_is_asked_for_reaches_the_model_by_its_own_names(
    asgi: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    mark = uuid4().hex
    wanted = asking("", temperature=0.5, top_p=0.9, seed=7, max_tokens=2, stop="end", n=1, user="ada") | {
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": mark}, {"type": "text", "text": " say 9"}]},
        ]
    }
    answer = asgi.post(PATH, json=wanted, headers=world.person().headers).json()
    assert answer["choices"][0]["finish_reason"] == "length"
    asked = ollama.asked(mark).body
    assert asked["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": f"{mark} say 9"},
    ]
    assert asked["options"] == {
        "temperature": 0.5, "top_p": 0.9, "seed": 7, "num_predict": 2, "stop": ["end"]
    }  # fmt: skip


def test_the_headers_that_a_proxy_before_ollama_wants_are_sent(
    asgi: httpx.Client, world: World, ollama: FakeOllama, settings: object
) -> None:
    assert callable(settings)
    settings(OLLAMA_HEADERS='{"X-Proxy-Key": "open sesame"}')
    mark = uuid4().hex
    assert asgi.post(PATH, json=asking(mark), headers=world.person().headers).status_code == 200
    assert ollama.asked(mark).headers["x-proxy-key"] == "open sesame"


def test_the_models_are_listed_and_found_by_any_name(
    everywhere: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    headers = world.person().headers
    listed = everywhere.get("/v1/ai/models", headers=headers).json()
    assert [each["id"] for each in listed["data"]] == ["ada/poet:3b", MODEL]
    assert listed["data"][0] == {
        "id": "ada/poet:3b", "object": "model", "created": 1793697072, "owned_by": "ada"
    }  # fmt: skip
    for path in ("ada/poet:3b", "ada%2Fpoet:3b"):
        assert everywhere.get(f"/v1/ai/models/{path}", headers=headers).json() == listed["data"][0]
    missing = everywhere.get("/v1/ai/models/nobody", headers=headers)
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")


def test_a_program_needs_the_permission(asgi: httpx.Client, world: World, ollama: FakeOllama) -> None:
    account = world.account().id
    allowed, other = mint(world, account, "ai:use"), mint(world, account, "profile:read")
    assert asgi.post(PATH, json=asking("hello"), headers=allowed.headers).status_code == 200
    refused = asgi.post(PATH, json=asking("hello"), headers=other.headers)
    assert refused.status_code == 403
    assert refused.json()["error"] == {
        "message": refused.json()["error"]["message"],
        "type": "permission_error",
        "param": None,
        "code": "insufficient_scope",
    }
    assert refused.headers["x-request-id"]


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"tools": []}, "tools"),
        ({"n": 2}, "n"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content"),
        ({"temperature": 3}, "temperature"),
    ],
)
def test_what_is_not_there_is_refused_by_its_name(
    asgi: httpx.Client, world: World, changed: dict[str, object], param: str
) -> None:
    refused = asgi.post(PATH, json=asking("hello") | changed, headers=world.person().headers)
    assert refused.status_code == 422
    error = refused.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_input")
    assert str(error["param"]).startswith(param)
    assert str(error["message"]).startswith(param)


def test_what_openai_s_clients_do_not_ask_is_refused_as_everywhere(asgi: httpx.Client) -> None:
    assert asgi.get("/v1/ai/nothing").headers["content-type"] == "application/problem+json"
    unknown = asgi.post("/v1/ai/embeddings")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")
