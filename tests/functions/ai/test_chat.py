"""A conversation goes on, whole or as it is said, over every transport."""

from base64 import b64encode
from uuid import uuid4

import httpx
import pytest

from tests.functions.ai.sse import PATH, asking, events, words
from tests.support.api_keys import mint
from tests.support.fixtures import SettingsChange
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
    assert (choice["message"]["role"], choice["message"]["content"]) == ("assistant", "w0 w1 w2 w3 ")
    assert {value for name, value in choice["message"].items() if name not in ("role", "content")} == {None}
    assert choice["finish_reason"] == "stop"
    assert body["usage"] == {"prompt_tokens": 7, "completion_tokens": 4, "total_tokens": 11}


def test_a_stream_says_the_same_over_every_transport_and_ends_as_openai_s_do(
    everywhere: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    wanted = asking("say 4", stream=True, stream_options={"include_usage": True})
    answer = everywhere.post(PATH, json=wanted, headers=world.person().headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store, no-transform"
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
        "temperature": 0.5, "top_p": 0.9, "seed": 7, "num_predict": 2, "stop": ["end"], "num_ctx": 8192
    }  # fmt: skip


def test_the_headers_that_a_proxy_before_ollama_wants_are_sent(
    asgi: httpx.Client, world: World, ollama: FakeOllama, settings: object
) -> None:
    assert callable(settings)
    settings(OLLAMA_HEADERS='{"X-Proxy-Key": "open sesame"}')
    mark = uuid4().hex
    assert asgi.post(PATH, json=asking(mark), headers=world.person().headers).status_code == 200
    assert ollama.asked(mark).headers["x-proxy-key"] == "open sesame"


def test_a_name_and_a_password_in_the_address_of_ollama_are_sent(
    asgi: httpx.Client, world: World, ollama: FakeOllama, settings: SettingsChange
) -> None:
    settings(OLLAMA_URL=ollama.url.replace("://", "://ada:p%40ss@"))
    mark = uuid4().hex
    assert asgi.post(PATH, json=asking(mark), headers=world.person().headers).status_code == 200
    wanted = b64encode(b"ada:p@ss").decode()
    assert ollama.asked(mark).headers["authorization"] == f"Basic {wanted}"


def test_the_models_are_listed_and_found_by_any_name(
    everywhere: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    headers = world.person().headers
    listed = everywhere.get("/v1/ai/models", headers=headers).json()
    assert [each["id"] for each in listed["data"]] == ["ada/poet:3b", MODEL, "vectors"]
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
        ({"functions": []}, "functions"),
        ({"n": 5}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logit_bias": {"50256": -100}}, "logit_bias"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"audio": {"voice": "alloy"}}, "audio"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"tool_choice": {"type": "function", "function": {"name": "nothing"}}}, ""),
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
    assert str(error["param"] or "").startswith(param)
    assert str(error["message"]).startswith(param)


def test_what_openai_s_clients_send_for_openai_alone_is_taken_and_not_used(
    asgi: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    mark = uuid4().hex
    wanted = asking(
        mark, n=1, logprobs=False, top_logprobs=None, logit_bias={}, modalities=["text"], store=False,
        metadata={"page": "help"}, service_tier="auto", prompt_cache_key="a", safety_identifier="b",
        verbosity="low", user="c", tools=[], tool_choice=None, parallel_tool_calls=True,
        stream_options=None, response_format={"type": "text"},
    )  # fmt: skip
    assert asgi.post(PATH, json=wanted, headers=world.person().headers).status_code == 200
    assert ollama.asked(mark).body.keys() == {"model", "messages", "options", "stream"}


def test_several_answers_are_made_side_by_side(asgi: httpx.Client, world: World, ollama: FakeOllama) -> None:
    mark, headers = uuid4().hex, world.person().headers
    body = asgi.post(PATH, json=asking(f"{mark} say 2", n=3, seed=5), headers=headers).json()
    assert [(each["index"], each["message"]["content"]) for each in body["choices"]] == [
        (index, "w0 w1 ") for index in range(3)
    ]
    assert body["usage"] == {"prompt_tokens": 21, "completion_tokens": 6, "total_tokens": 27}
    asked = [call for call in ollama.calls if mark in call.prompt]
    assert sorted(call.body["options"]["seed"] for call in asked) == [5, 6, 7]

    wanted = asking(f"{mark} say 2", n=2, stream=True, stream_options={"include_usage": True})
    *chunks, counts, end = events(asgi.post(PATH, json=wanted, headers=headers).text.splitlines())
    assert counts
    assert (counts["usage"]["total_tokens"], end) == (18, None)
    said = [""] * 2
    reasons = []
    for chunk in chunks:
        assert chunk
        [choice] = chunk["choices"]
        said[choice["index"]] += choice["delta"].get("content", "")
        reasons += [choice["finish_reason"]] if choice["finish_reason"] else []
    assert (said, reasons) == (["w0 w1 "] * 2, ["stop"] * 2)


def test_one_of_several_that_goes_wrong_ends_the_others(
    over_http: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    mark, headers = uuid4().hex, world.person().headers
    refused = over_http.post(PATH, json=asking(f"{mark} say 9", "error-line", n=3), headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (502, "model_failed")
    text = over_http.post(
        PATH, json=asking(f"{mark} say 9", "error-line", n=3, stream=True), headers=headers
    ).text
    *_, last = events(text.splitlines())
    assert last
    assert last["error"]["code"] == "model_failed"


def test_how_hard_a_model_thinks_is_passed_on_and_what_it_thinks_comes_apart(
    asgi: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    mark, headers = uuid4().hex, world.person().headers
    for effort, think in (("none", False), ("minimal", "low"), ("high", "high"), ("xhigh", "max")):
        wanted = asking(f"{mark}{effort} say 1", reasoning_effort=effort)
        message = asgi.post(PATH, json=wanted, headers=headers).json()["choices"][0]["message"]
        assert ollama.asked(mark + effort).body["think"] == think
        assert (message["content"], message["reasoning"]) == ("w0 ", "Hm." if think else None)
    refused = asgi.post(PATH, json=asking("", "ada/poet:3b", reasoning_effort="low"), headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "model_refused")


def test_who_sends_more_than_the_model_sees_is_told_so(
    asgi: httpx.Client, world: World, ollama: FakeOllama, settings: SettingsChange
) -> None:
    settings(OLLAMA_NUM_CTX="256")
    headers = world.person().headers
    for length, truncated in ((10, False), (1000, True)):
        wanted = asking("word " * length + "say 1")
        assert asgi.post(PATH, json=wanted, headers=headers).json()["truncated"] is truncated
        *_, last, end = events(
            asgi.post(PATH, json=wanted | {"stream": True}, headers=headers).text.splitlines()
        )
        assert end is None
        assert last
        assert last.get("truncated", False) is truncated
    assert ollama.asked("word say 1").body["options"]["num_ctx"] == 256


def test_what_openai_s_clients_do_not_ask_is_refused_as_everywhere(asgi: httpx.Client) -> None:
    assert asgi.get("/v1/ai/nothing").headers["content-type"] == "application/problem+json"
    unknown = asgi.post("/v1/ai/completions")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")
