"""Functions that a model wants called: offered, demanded, called, answered."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.functions.ai.sse import PATH, asking, events
from tests.support.ollama import FakeOllama
from tests.support.world import World

type Json = dict[str, Any]

SCHEMA: Json = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OSLO = 'call weather {"city": "Oslo"}'


def tool(name: str, **more: Any) -> Json:
    return {"type": "function", "function": {"name": name, "parameters": SCHEMA, **more}}


TOOLS = [tool("weather", description="The weather."), {"type": "function", "function": {"name": "clock"}}]


def named(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}


@pytest.fixture(scope="module")
def headers(world: World) -> dict[str, str]:
    return world.person().headers


def test_a_call_goes_there_and_back(asgi: httpx.Client, ollama: FakeOllama, headers: dict[str, str]) -> None:
    mark = uuid4().hex
    wanted = asking(f"{mark} {OSLO}", tools=TOOLS, tool_choice="auto")
    [choice] = asgi.post(PATH, json=wanted, headers=headers).json()["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", None)
    [call] = choice["message"]["tool_calls"]
    assert (call["type"], call["function"]["name"]) == ("function", "weather")
    assert json.loads(call["function"]["arguments"]) == {"city": "Oslo"}
    assert ollama.asked(mark).body["tools"] == [
        {
            "type": "function",
            "function": {"name": "weather", "description": "The weather.", "parameters": SCHEMA},
        },
        {
            "type": "function",
            "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}},
        },
    ]
    # The answer's message goes back as it came.
    result = {"role": "tool", "tool_call_id": call["id"], "content": "rain"}
    wanted["messages"] += [choice["message"], result]
    [choice] = asgi.post(PATH, json=wanted, headers=headers).json()["choices"]
    assert choice["message"]["content"] == "weather gave rain"
    assert choice["finish_reason"] == "stop"
    question, answer, told = ollama.asked("rain").body["messages"]
    assert question["role"] == "user"
    assert answer["tool_calls"] == [
        {"id": call["id"], "function": {"name": "weather", "arguments": {"city": "Oslo"}}}
    ]
    assert told == {"role": "tool", "content": "rain", "tool_name": "weather", "tool_call_id": call["id"]}


def test_calls_are_streamed_each_with_its_index(
    everywhere: httpx.Client, ollama: FakeOllama, headers: dict[str, str]
) -> None:
    wanted = asking(f'{OSLO} call clock {{"zone": "UTC"}}', tools=TOOLS, stream=True)
    *chunks, end = events(everywhere.post(PATH, json=wanted, headers=headers).text.splitlines())
    assert end is None
    choices = [chunk["choices"][0] for chunk in chunks if chunk]
    calls = [call for choice in choices for call in choice["delta"].get("tool_calls", ())]
    assert [(call["index"], call["function"]["name"]) for call in calls] == [(0, "weather"), (1, "clock")]
    assert len({call["id"] for call in calls}) == 2
    assert choices[-1]["finish_reason"] == "tool_calls"


def test_of_several_calls_one_is_passed_on_where_more_are_not_wanted(
    asgi: httpx.Client, ollama: FakeOllama, headers: dict[str, str]
) -> None:
    wanted = asking(f"{OSLO} call clock {{}}", tools=TOOLS, parallel_tool_calls=False)
    [choice] = asgi.post(PATH, json=wanted, headers=headers).json()["choices"]
    assert [call["function"]["name"] for call in choice["message"]["tool_calls"]] == ["weather"]


def test_who_wants_no_call_offers_none(
    asgi: httpx.Client, ollama: FakeOllama, headers: dict[str, str]
) -> None:
    mark = uuid4().hex
    wanted = asking(f"{mark} {OSLO}", tools=TOOLS, tool_choice="none")
    [choice] = asgi.post(PATH, json=wanted, headers=headers).json()["choices"]
    assert choice["finish_reason"] == "stop"
    assert "tools" not in ollama.asked(mark).body


@pytest.mark.parametrize("kind", ["whole", "stream"])
@pytest.mark.parametrize("choice", ["required", named("weather")])
def test_a_call_that_must_be_is_told_in_words_and_looked_at(
    asgi: httpx.Client, ollama: FakeOllama, headers: dict[str, str], choice: str | Json, kind: str
) -> None:
    mark = uuid4().hex
    wanted = asking(f"{mark} {OSLO}", tools=TOOLS, tool_choice=choice, stream=kind == "stream")
    answer = asgi.post(PATH, json=wanted, headers=headers)
    assert answer.status_code == 200
    assert ("tool_calls" in answer.text, "weather" in answer.text) == (True, True)
    asked = ollama.asked(mark).body
    assert asked["messages"][0]["role"] == "system"
    assert len(asked["tools"]) == (2 if choice == "required" else 1)


@pytest.mark.parametrize("kind", ["whole", "stream"])
@pytest.mark.parametrize(("prompt", "choice"), [("say 2", "required"), ("call clock {}", named("weather"))])
def test_a_model_that_does_not_call_is_asked_once_more_and_no_more(
    asgi: httpx.Client,
    ollama: FakeOllama,
    headers: dict[str, str],
    prompt: str,
    choice: str | Json,
    kind: str,
) -> None:
    mark = uuid4().hex
    wanted = asking(f"{mark} {prompt}", tools=TOOLS, tool_choice=choice, stream=kind == "stream")
    answer = asgi.post(PATH, json=wanted, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "model_answer_unfit")
    asked = [call for call in ollama.calls if mark in call.first_prompt]
    assert len(asked) == 2
    assert "Call one of these functions" in asked[1].prompt


def test_arguments_that_do_not_fit_are_asked_for_again_where_that_is_wanted(
    asgi: httpx.Client, ollama: FakeOllama, headers: dict[str, str]
) -> None:
    wrong = 'call weather {"town": 7}'
    for strict, prompt, status in ((True, f"{wrong} {OSLO}", 200), (True, wrong, 502), (False, wrong, 200)):
        wanted = asking(prompt, tools=[tool("weather", strict=strict)])
        answer = asgi.post(PATH, json=wanted, headers=headers)
        assert answer.status_code == status
        if strict and status == 200:
            body = answer.json()
            [call] = body["choices"][0]["message"]["tool_calls"]
            assert json.loads(call["function"]["arguments"]) == {"city": "Oslo"}
            # What was asked in vain was paid for as well.
            assert body["usage"]["prompt_tokens"] == 14


def calling(arguments: str, role: str = "assistant") -> Json:
    call = {"id": "a", "type": "function", "function": {"name": "a", "arguments": arguments}}
    return {"role": role, "content": "a", "tool_calls": [call]}


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"role": "tool", "content": "rain", "tool_call_id": "nobody's"}, "must answer a call"),
        ({"role": "tool", "content": "rain"}, "tool_call_id"),
        ({"role": "user"}, "content"),
        ({"role": "assistant", "content": None}, "content"),
        (calling("{}", "user"), "assistant"),
        (calling("[1]"), "JSON object"),
        (calling("{" * 100_000), "JSON object"),
    ],
)
def test_messages_that_make_no_sense_are_refused(
    asgi: httpx.Client, headers: dict[str, str], message: Json, words: str
) -> None:
    refused = asgi.post(PATH, json={"model": "tiny", "messages": [message]}, headers=headers)
    assert refused.status_code == 422
    assert words in refused.json()["error"]["message"]
