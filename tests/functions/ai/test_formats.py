"""Answers in a format: what reaches the client fits it, or is an error."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from functions.ai import json_schemas
from tests.functions.ai.sse import PATH, asking, events, words
from tests.support.ollama import FakeOllama
from tests.support.world import World

type Json = dict[str, Any]

SCHEMA: Json = {
    "type": "object",
    "properties": {"city": {"type": "string", "pattern": "^[A-Z]"}, "people": {"$ref": "#/$defs/count"}},
    "required": ["city"],
    "additionalProperties": False,
    "$defs": {"count": {"type": "integer", "minimum": 0}},
}
OSLO = '{"city": "Oslo", "people": 700000}'


@pytest.fixture(scope="module")
def headers(world: World) -> dict[str, str]:
    return world.person().headers


def of(schema: Json) -> Json:
    return {"type": "json_schema", "json_schema": {"name": "place", "schema": schema, "strict": True}}


@pytest.mark.parametrize("kind", ["whole", "stream"])
def test_an_answer_that_fits_comes_as_it_is(
    asgi: httpx.Client, ollama: FakeOllama, headers: dict[str, str], kind: str
) -> None:
    mark = uuid4().hex
    wanted = asking(
        f"{mark} echo {OSLO}", response_format=of(SCHEMA), stream=kind == "stream", reasoning_effort="low"
    )
    answer = asgi.post(PATH, json=wanted, headers=headers)
    if kind == "stream":
        said = words(events(answer.text.splitlines()))
    else:
        message = answer.json()["choices"][0]["message"]
        said, thought = message["content"], message["reasoning"]
        assert thought == "Hm."
    assert said == OSLO
    assert ollama.asked(mark).body["format"] == SCHEMA
    assert [call for call in ollama.calls if mark in call.first_prompt] == [ollama.asked(mark)]


@pytest.mark.parametrize("kind", ["whole", "stream"])
@pytest.mark.parametrize("wrong", ["no JSON", '{"city": "oslo"}', '{"city": "Oslo", "people": -1}', "[1]"])
def test_one_that_does_not_is_asked_for_again_and_nothing_of_the_first_is_passed_on(
    asgi: httpx.Client, ollama: FakeOllama, headers: dict[str, str], wrong: str, kind: str
) -> None:
    mark = uuid4().hex
    wanted = asking(f"{mark} echo {wrong} || {OSLO}", response_format=of(SCHEMA), stream=kind == "stream")
    answer = asgi.post(PATH, json=wanted, headers=headers)
    assert answer.status_code == 200
    said = (
        words(events(answer.text.splitlines()))
        if kind == "stream"
        else answer.json()["choices"][0]["message"]["content"]
    )
    assert said == OSLO
    _, again = [call for call in ollama.calls if mark in call.first_prompt]
    assert again.body["messages"][1] == {"role": "assistant", "content": wrong}
    assert "not what I asked for" in again.prompt


@pytest.mark.parametrize("kind", ["whole", "stream"])
def test_one_that_still_does_not_is_an_error(
    asgi: httpx.Client, ollama: FakeOllama, headers: dict[str, str], kind: str
) -> None:
    mark = uuid4().hex
    wanted = asking(f"{mark} echo no JSON", response_format=of(SCHEMA), stream=kind == "stream")
    answer = asgi.post(PATH, json=wanted, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "model_answer_unfit")
    assert len([call for call in ollama.calls if mark in call.first_prompt]) == 2


def test_one_that_was_cut_off_is_passed_on_and_says_so(
    asgi: httpx.Client, ollama: FakeOllama, headers: dict[str, str]
) -> None:
    wanted = asking("echo {", response_format=of(SCHEMA), max_tokens=1)
    [choice] = asgi.post(PATH, json=wanted, headers=headers).json()["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("{", "length")


def test_some_json_object_may_be_asked_for(
    asgi: httpx.Client, ollama: FakeOllama, headers: dict[str, str]
) -> None:
    mark = uuid4().hex
    wanted = asking(f'{mark} echo [1] || {{"a": 1}}', response_format={"type": "json_object"})
    [choice] = asgi.post(PATH, json=wanted, headers=headers).json()["choices"]
    assert json.loads(choice["message"]["content"]) == {"a": 1}
    assert [call.body["format"] for call in ollama.calls if mark in call.first_prompt] == ["json", "json"]


def _doubling() -> Json:
    steps = {
        f"d{each}": {"allOf": [{"$ref": f"#/$defs/d{each - 1}"}, {"$ref": f"#/$defs/d{each - 1}"}]}
        for each in range(1, 40)
    }
    return {"$defs": {"d0": {"type": "integer"}, **steps}, "$ref": "#/$defs/d39"}


def _hidden_doubling() -> Json:
    steps = json.dumps(_doubling()["$defs"]).replace("#/$defs", "#/properties/$defs")
    return {
        "properties": {"$defs": json.loads(steps)},
        "$ref": "#/properties/$defs/d39",
    }


def _deep() -> Json:
    made: Json = {}
    for _ in range(150):
        made = {"items": made}
    return made


HOSTILE: dict[str, Json] = {
    "fetched": {"$ref": "http://127.0.0.1:9/schema.json"},
    "file": {"$ref": "file:///etc/passwd"},
    "moved": {"properties": {"a": {"$id": "http://127.0.0.1:9/", "$ref": "#/b"}}},
    "nowhere": {"$ref": "#/$defs/nothing"},
    "dynamic": {"$dynamicRef": "#a"},
    "no schema": {"type": "strin"},
    "too many patterns": {"allOf": [{"pattern": f"^{number}$"} for number in range(21)]},
    "unknown draft": {"$schema": "http://127.0.0.1:9/draft"},
    "doubling": _doubling(),
    "hidden doubling": _hidden_doubling(),
    "deep": _deep(),
    "wide": {"enum": ["x" * 100_000]},
    "look-around": {"pattern": "(?=a)b"},
    "large pattern": {"pattern": "(((a{100}){100}){100}){100}"},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_schema_that_cannot_be_used_is_refused_before_a_model_is_asked(
    asgi: httpx.Client, ollama: FakeOllama, headers: dict[str, str], name: str
) -> None:
    before = len(ollama.calls)
    refused = asgi.post(PATH, json=asking("say 1", response_format=of(HOSTILE[name])), headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "schema_refused")
    assert len(ollama.calls) == before


def test_a_schema_that_doubles_with_each_level_is_not_held_against_what_is_deep() -> None:
    schema = {"type": "object", "properties": {"a": {"allOf": [{"$ref": "#"}] * 60}}}
    json_schemas.check_schema(schema)
    value: Json = {}
    for _ in range(6):
        value = {"a": value}
    assert json_schemas.complaint(schema, {"a": {"a": {}}}) == ""
    assert "too deeply" in json_schemas.complaint(schema, value)


def test_a_schema_that_refers_to_itself_is_fine() -> None:
    node = {"properties": {"sons": {"type": "array", "items": {"$ref": "#/$defs/node"}}}}
    tree: Json = {"$ref": "#/$defs/node", "$defs": {"node": node}}
    json_schemas.check_schema(tree)
    value: Json = {}
    for _ in range(100):
        value = {"sons": [value]}
    assert json_schemas.complaint(tree, value) == ""
    assert json_schemas.complaint(tree, {"sons": [{"sons": 7}]}).startswith("#/sons/0/sons: ")
    for circle in ({"$ref": "#"}, {"allOf": [{"$ref": "#"}]}):
        json_schemas.check_schema(circle)
        assert json_schemas.complaint(circle, 1) == ""


def test_a_pattern_takes_no_longer_for_text_that_was_made_for_it() -> None:
    assert json_schemas.complaint({"pattern": "^(a+)+$"}, "a" * 100_000 + "b")
