"""Numbers that no 64-bit float holds, from clients and from the model server, break nothing."""

import base64
import json
import struct
from collections.abc import Iterator
from itertools import product
from typing import Any, Final
from uuid import UUID

import httpx
import pytest

from common.ollama import breaker
from functions.ai.json_schemas import check_schema, complaint
from tests.functions.ai.conversations.talking import begin
from tests.functions.ai.sse import PATH, asking, events
from tests.support.ollama import FakeOllama
from tests.support.world import Person, World

EMBEDDINGS: Final = "/v1/ai/embeddings"
NUMBERS: Final = ["1e999", "-1e999", "NaN", "Infinity", "-Infinity", "1" + "0" * 400]
# What stands for the number in a body, in JSON and in JSON within JSON.
MARK: Final = "§"
COUNTS: Final = [
    "Infinity",
    "NaN",
    "-5",
    '"many"',
    "null",
    "1e300",
    "[7]",
    "true",
    "1" + "0" * 30,
    "1" + "0" * 4000,
]

type Json = dict[str, Any]


def tool(**more: Any) -> Json:
    return {"type": "function", "function": {"name": "weather", **more}}


def called(arguments: str) -> Json:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    return asking("hello") | {"messages": [{"role": "assistant", "tool_calls": [call]}]}


BODIES: Final = {
    "parameters": asking("hello", tools=[tool(parameters={"type": "object", "maximum": MARK})]),
    "strict parameters": asking("hello", tools=[tool(strict=True, parameters={"minimum": MARK})]),
    "schema": asking(
        "hello",
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": {"const": [MARK]}}},
    ),
    "temperature": asking("hello", temperature=MARK),
    "metadata": asking("hello", metadata={"page": MARK}),
    "parsed": asking("hello") | {"messages": [{"role": "assistant", "content": "a", "parsed": [MARK]}]},
}


@pytest.fixture
def person(world: World, ollama: FakeOllama) -> Iterator[Person]:
    breaker().reset()
    found = world.person()
    yield found
    assert world.scalar("select count(*) from ai_reservations where owner_id = :id", id=found.id) == 0


def post(api: httpx.Client, person: Person, content: str) -> httpx.Response:
    headers = person.headers | {"Content-Type": "application/json"}
    return api.post(PATH, content=content.encode("ascii"), headers=headers)


def used(world: World, person_id: UUID) -> list[tuple[int, int]]:
    sql = "select prompt_tokens, completion_tokens from ai_usage where owner_id = :id"
    return [tuple(row) for row in world.rows(sql, id=person_id)]


@pytest.mark.parametrize("where", BODIES)
def test_a_number_that_no_float_holds_is_refused_before_a_model_is_asked(
    asgi: httpx.Client, world: World, person: Person, ollama: FakeOllama, where: str
) -> None:
    calls = len(ollama.calls)
    for number, stream in product(NUMBERS, (False, True)):
        body = json.dumps(BODIES[where] | {"stream": stream}).replace('"\\u00a7"', number)
        answer = post(asgi, person, body)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["type"] == "invalid_request_error"
        assert "64-bit float" in answer.json()["error"]["message"]
    assert (len(ollama.calls), breaker().state, used(world, person.id)) == (calls, "closed", [])


@pytest.mark.parametrize(
    "arguments", [*(f'{{"a": [{number}]}}' for number in NUMBERS), '{"a": "\\ud800"}', '{"\\udc00": 1}']
)
def test_earlier_arguments_must_be_json_that_can_be_passed_on(
    asgi: httpx.Client, person: Person, ollama: FakeOllama, arguments: str
) -> None:
    calls = len(ollama.calls)
    answer = post(asgi, person, json.dumps(called(arguments)))
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["param"] == "messages[0].tool_calls[0].function.arguments"
    assert len(ollama.calls) == calls


@pytest.mark.parametrize("where", ["parameters", "schema"])
@pytest.mark.parametrize("value", ['"\\ud800"', '{"\\ud800": 1}', '{"a":' * 3000 + "1" + "}" * 3000])
def test_free_json_must_be_writable_again(
    asgi: httpx.Client, person: Person, ollama: FakeOllama, where: str, value: str
) -> None:
    calls = len(ollama.calls)
    answer = post(asgi, person, json.dumps(BODIES[where]).replace('"\\u00a7"', value))
    assert answer.status_code == 422, answer.text
    assert len(ollama.calls) == calls


def test_a_vector_that_32_bits_do_not_hold_is_a_fault_of_the_model_server(
    asgi: httpx.Client, world: World, person: Person
) -> None:
    odd = [*NUMBERS, "1e300", "-3.5e38", "1" + "0" * 40, '"1"', "null"]
    for number, packing in product(odd, ("float", "base64")):
        texts = ["a", f"numbers [0.5, {number}]"]
        body = {"model": "vectors", "input": texts, "encoding_format": packing, "dimensions": 2}
        answer = asgi.post(EMBEDDINGS, json=body, headers=person.headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "model_failed")
    assert used(world, person.id) == [(0, 0)]


def test_the_largest_that_they_hold_is_passed_on(asgi: httpx.Client, person: Person) -> None:
    body = {"model": "vectors", "input": "numbers [3.4e38, -3.4e38, 1]", "encoding_format": "base64"}
    [one] = asgi.post(EMBEDDINGS, json=body, headers=person.headers).json()["data"]
    vector = struct.unpack("<3f", base64.b64decode(one["embedding"]))
    assert vector == pytest.approx((3.4e38, -3.4e38, 1), rel=1e-6)


def test_what_can_be_no_count_of_embeddings_is_estimated(
    asgi: httpx.Client, world: World, person: Person
) -> None:
    sum_of_all = 0
    for told in COUNTS:
        body = {"model": "vectors", "input": f"counting {told}"}
        usage = asgi.post(EMBEDDINGS, json=body, headers=person.headers).json()["usage"]
        estimate = len(f"counting {told}") // 4 + 4
        assert usage == {"prompt_tokens": estimate, "total_tokens": estimate}
        sum_of_all += estimate
    assert used(world, person.id) == [(sum_of_all, 0)]


def test_what_can_be_no_count_of_a_chat_is_estimated_and_the_answer_stands(
    asgi: httpx.Client, world: World, person: Person
) -> None:
    sum_of_all = 0
    for told in COUNTS:
        prompt = f"say 5 counting {told}"
        estimate = len(prompt) // 4 + 4
        usage = {"prompt_tokens": estimate, "completion_tokens": 5, "total_tokens": estimate + 5}
        whole = asgi.post(PATH, json=asking(prompt), headers=person.headers)
        assert whole.status_code == 200, whole.text
        assert whole.json()["choices"][0]["message"]["content"] == "w0 w1 w2 w3 w4 "
        assert (whole.json()["usage"], whole.json()["truncated"]) == (usage, False)
        body = asking(prompt, stream=True, stream_options={"include_usage": True})
        *_, last, end = events(asgi.post(PATH, json=body, headers=person.headers).text.splitlines())
        assert last is not None
        assert (last["usage"], end) == (usage, None)
        sum_of_all += 2 * estimate
    assert used(world, person.id) == [(sum_of_all, 2 * 5 * len(COUNTS))]


def test_and_so_it_is_in_a_conversation(asgi: httpx.Client, world: World, person: Person) -> None:
    for told in COUNTS:
        talk = begin(asgi, person, title="Numbers")
        answer = talk.say(f"say 5 counting {told}")
        assert (answer["state"], answer["content"]) == ("done", "w0 w1 w2 w3 w4 ")
        assert answer["completion_tokens"] == 5
        assert answer["prompt_tokens"] == len(f"say 5 counting {told}") // 4 + 4
        assert answer["timings"].keys() >= {"model_ms", "load_ms", "prompt_ms", "answer_ms"}
        assert all(0 <= each < 1e6 for each in answer["timings"].values())
        with talk.listening(answer["id"]) as heard:
            assert [each.kind for each in heard][-2:] == ["usage", "done"]
    [(_, completion_tokens)] = used(world, person.id)
    assert completion_tokens == 5 * len(COUNTS)


def test_what_a_model_wants_called_is_json_in_any_case(asgi: httpx.Client, person: Person) -> None:
    wanted = '{"a": [1e999, NaN], "\\ud800": "\\udfff", "b": "é"}'
    for strict in (False, True):
        body = asking(f"call weather {wanted}", tools=[tool(strict=strict, parameters={"type": "object"})])
        answer = asgi.post(PATH, json=body, headers=person.headers)
        assert answer.status_code == 200, answer.text
        [call] = answer.json()["choices"][0]["message"]["tool_calls"]
        assert json.loads(call["function"]["arguments"]) == {"a": [None, None], "\ufffd": "\ufffd", "b": "é"}


def test_what_a_model_says_can_be_encoded(asgi: httpx.Client, person: Person) -> None:
    answer = asgi.post(PATH, json=asking("say 1", "odd-words"), headers=person.headers)
    assert answer.json()["choices"][0]["message"]["content"] == "w0\ufffd\ufffd\\ "


@pytest.mark.parametrize("said", ['{"a": NaN}', '{"a": 1e999}', '{"a": "\\ud800"}'])
def test_json_that_few_can_read_does_not_fit_a_demand(asgi: httpx.Client, person: Person, said: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": ["object", "integer"], "minLength": 1}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    for more in ("", ' || {"a": 1}'):
        body = asking(f"echo {said}{more}", response_format=wanted)
        answer = asgi.post(PATH, json=body, headers=person.headers)
        if more:
            assert answer.json()["choices"][0]["message"]["content"] == '{"a": 1}'
        else:
            assert (answer.status_code, answer.json()["error"]["code"]) == (502, "model_answer_unfit")


def test_an_answer_that_nests_without_end_takes_no_process_with_it() -> None:
    node: Json = {"properties": {"a": {"$ref": "#/$defs/node"}}}
    for _ in range(20):
        node = {"allOf": [node]}
    schema = {"$ref": "#/$defs/node", "$defs": {"node": node}}
    check_schema(schema)
    deep = json.loads('{"a":' * 3000 + "1" + "}" * 3000)
    assert complaint(schema, deep) == "#: It nests deeper than 200 levels."
    assert complaint(schema, json.loads('{"a":' * 190 + "1" + "}" * 190)) == ""
