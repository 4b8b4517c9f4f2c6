"""What the tests say of chats, models and embeddings, of a model that says what it likes."""

import json
import math

import httpx
import pytest
from openai import OpenAI

from tests.functions.ai.sse import PATH, asking, events, words
from tests.ollama.real import EMBEDDING_MODEL, MODEL
from tests.support.api_keys import mint
from tests.support.fixtures import SettingsChange
from tests.support.world import World

# No thinking, which small models do at length.
BRIEF = {"max_tokens": 40, "temperature": 0, "seed": 7}


@pytest.fixture(scope="module")
def headers(world: World) -> dict[str, str]:
    return world.person().headers


@pytest.fixture
def brief(able: frozenset[str]) -> dict[str, object]:
    return BRIEF | ({"reasoning_effort": "none"} if "thinking" in able else {})


def test_an_answer_comes_whole_with_its_counts(
    over_http: httpx.Client, headers: dict[str, str], brief: dict[str, object]
) -> None:
    answer = over_http.post(PATH, json=asking("say 4", MODEL, **brief), headers=headers, timeout=300)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    [choice] = body["choices"]
    assert choice["message"]["content"]
    assert choice["finish_reason"] in ("stop", "length")
    usage = body["usage"]
    assert usage["prompt_tokens"] > 0
    assert 0 < usage["completion_tokens"] <= 40
    assert body["truncated"] is False


def test_a_stream_says_the_same_and_ends_as_openai_s_do(
    over_http: httpx.Client, headers: dict[str, str], brief: dict[str, object]
) -> None:
    whole = over_http.post(PATH, json=asking("say 4", MODEL, **brief), headers=headers, timeout=300).json()
    wanted = asking("say 4", MODEL, stream=True, stream_options={"include_usage": True}, **brief)
    *chunks, counts, end = events(
        over_http.post(PATH, json=wanted, headers=headers, timeout=300).text.splitlines()
    )
    assert end is None
    assert counts
    assert counts["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]
    assert words(chunks) == whole["choices"][0]["message"]["content"]


def test_an_answer_ends_where_it_may_be_no_longer(
    asgi: httpx.Client, headers: dict[str, str], brief: dict[str, object]
) -> None:
    wanted = asking("say 100 words of a story", MODEL, **brief | {"max_tokens": 3})
    body = asgi.post(PATH, json=wanted, headers=headers, timeout=300).json()
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 3


def test_several_answers_are_made_side_by_side(
    asgi: httpx.Client, headers: dict[str, str], brief: dict[str, object]
) -> None:
    body = asgi.post(PATH, json=asking("say 2", MODEL, n=2, **brief), headers=headers, timeout=300).json()
    assert [choice["index"] for choice in body["choices"]] == [0, 1]
    assert all(choice["message"]["content"] for choice in body["choices"])


def test_an_answer_keeps_to_its_schema(
    asgi: httpx.Client, headers: dict[str, str], brief: dict[str, object]
) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}},
        "required": ["city"],
        "additionalProperties": False,
    }
    demand = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema}}
    wanted = asking('echo {"city": "Oslo"}', MODEL, response_format=demand, **brief)
    answer = asgi.post(PATH, json=wanted, headers=headers, timeout=300)
    assert answer.status_code == 200, answer.text
    found = json.loads(answer.json()["choices"][0]["message"]["content"])
    assert set(found) == {"city"}
    assert isinstance(found["city"], str)


def test_a_tool_is_called_where_that_is_demanded(
    asgi: httpx.Client, headers: dict[str, str], brief: dict[str, object], able: frozenset[str]
) -> None:
    if "tools" not in able:
        pytest.skip(f"{MODEL} has no tools")
    city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tool = {"type": "function", "function": {"name": "weather", "parameters": city}}
    wanted = asking('call weather {"city": "Oslo"}', MODEL, tools=[tool], tool_choice="required", **brief)
    answer = asgi.post(PATH, json=wanted | {"max_tokens": 200}, headers=headers, timeout=300)
    # A small model may not manage, which then is told as what it is.
    if answer.status_code == 502:
        assert answer.json()["error"]["code"] == "model_answer_unfit"
        return
    [call] = answer.json()["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "weather"
    assert isinstance(json.loads(call["function"]["arguments"]), dict)


def test_what_it_thinks_comes_apart(
    asgi: httpx.Client, headers: dict[str, str], able: frozenset[str]
) -> None:
    if "thinking" not in able:
        pytest.skip(f"{MODEL} does not think")
    wanted = asking("say 1", MODEL, reasoning_effort="low", max_tokens=60)
    message = asgi.post(PATH, json=wanted, headers=headers, timeout=300).json()["choices"][0]["message"]
    assert message["reasoning"]


def test_who_sends_more_than_the_model_sees_is_told_so(
    asgi: httpx.Client, headers: dict[str, str], brief: dict[str, object], settings: SettingsChange
) -> None:
    settings(OLLAMA_NUM_CTX="256")
    for length, truncated in ((10, False), (2000, True)):
        wanted = asking("word " * length + "say 1", MODEL, **brief)
        body = asgi.post(PATH, json=wanted, headers=headers, timeout=300).json()
        assert body["truncated"] is truncated, body


def test_a_model_that_is_not_there_is_told_so(asgi: httpx.Client, headers: dict[str, str]) -> None:
    refused = asgi.post(PATH, json=asking("hello", "nobody-has-this"), headers=headers, timeout=60)
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")
    cannot = asgi.post(PATH, json=asking("hello", EMBEDDING_MODEL), headers=headers, timeout=60)
    assert (cannot.status_code, cannot.json()["error"]["code"]) == (400, "model_refused")


def test_the_models_are_listed_and_found(asgi: httpx.Client, headers: dict[str, str]) -> None:
    listed = [each["id"] for each in asgi.get("/v1/ai/models", headers=headers).json()["data"]]
    assert MODEL in listed
    assert asgi.get(f"/v1/ai/models/{MODEL}", headers=headers).json()["id"] == MODEL


def test_each_text_has_a_vector_in_its_place(asgi: httpx.Client, headers: dict[str, str]) -> None:
    texts = ["The sky is blue.", "Der Himmel ist blau.", "The sky is blue."]
    wanted = {"model": EMBEDDING_MODEL, "input": texts}
    body = asgi.post("/v1/ai/embeddings", json=wanted, headers=headers, timeout=300).json()
    first, other, again = (each["embedding"] for each in body["data"])
    assert all(math.isclose(math.hypot(*each), 1, rel_tol=1e-3) for each in (first, other))
    assert first == pytest.approx(again, abs=1e-3)
    assert first != pytest.approx(other, abs=1e-3)
    assert body["usage"]["prompt_tokens"] > 0


def test_openai_s_own_package_works(over_http: httpx.Client, world: World, brief: dict[str, object]) -> None:
    key = mint(world, world.account().id, "ai:use").key
    with OpenAI(base_url=f"{over_http.base_url}/v1/ai", api_key=key, max_retries=0) as client:
        stream = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "say 3"}], stream=True, extra_body=brief
        )
        assert "".join(each.choices[0].delta.content or "" for each in stream if each.choices)
