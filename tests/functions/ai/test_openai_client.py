"""OpenAI's own Python package works with a base URL and one of our API keys, and nothing else."""

import asyncio
import json
import math
from collections.abc import Iterator
from uuid import uuid4

import httpx
import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionUserMessageParam
from pydantic import BaseModel

from tests.support.api_keys import mint
from tests.support.fixtures import SettingsChange
from tests.support.ollama import MODEL, FakeOllama
from tests.support.world import World


@pytest.fixture
def client(over_http: httpx.Client, world: World, ollama: FakeOllama) -> Iterator[OpenAI]:
    key = mint(world, world.account().id, "ai:use").key
    with OpenAI(base_url=f"{over_http.base_url}/v1/ai", api_key=key, max_retries=0) as made:
        yield made


def test_models(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["ada/poet:3b", MODEL, "vectors"]
    assert client.models.retrieve("ada/poet:3b").owned_by == "ada"


def test_a_chat(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="tiny", messages=[{"role": "user", "content": "say 3"}], temperature=0.2, max_tokens=50
    )
    assert answer.choices[0].message.content == "w0 w1 w2 "
    assert answer.usage
    assert answer.usage.total_tokens == 10


def test_a_stream(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model="tiny",
        messages=[{"role": "user", "content": "say 3"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert "".join(each.choices[0].delta.content or "" for each in chunks if each.choices) == "w0 w1 w2 "
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == 3


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("nobody", openai.NotFoundError),
        ("refusing", openai.BadRequestError),
        ("busy", openai.InternalServerError),
    ],
)
def test_errors_are_its_own_classes(client: OpenAI, model: str, kind: type[openai.APIStatusError]) -> None:
    with pytest.raises(kind) as found:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hello"}])
    assert found.value.request_id
    assert found.value.code
    assert isinstance(found.value.body, dict)


def test_a_fault_in_mid_stream_is_raised_there(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model="error-line", messages=[{"role": "user", "content": "say 9"}], stream=True
    )
    assert [next(stream).choices[0].delta.content for _ in range(3)] == ["", "w0 ", "w1 "]
    with pytest.raises(openai.APIError) as found:
        next(stream)
    assert found.value.code == "model_failed"


def test_who_may_not_is_told_in_its_classes(client: OpenAI, world: World, settings: SettingsChange) -> None:
    stranger = client.with_options(api_key="lk_nobody")
    with pytest.raises(openai.AuthenticationError):
        stranger.models.list()
    other = client.with_options(api_key=mint(world, world.account().id, "profile:read").key)
    with pytest.raises(openai.PermissionDeniedError) as refused:
        other.models.list()
    assert refused.value.code == "insufficient_scope"
    with pytest.raises(openai.UnprocessableEntityError) as wrong:
        client.chat.completions.create(model="tiny", messages=[])
    assert wrong.value.param == "messages"


class City(BaseModel):
    """What is asked for."""

    city: str
    people: int


OSLO = '{"city": "Oslo", "people": 700000}'


def saying(content: str) -> list[ChatCompletionMessageParam]:
    message: ChatCompletionUserMessageParam = {"role": "user", "content": content}
    return [message]


def test_several_answers_and_what_was_thought(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="tiny", messages=saying("say 2"), n=2, seed=7, reasoning_effort="low"
    )
    assert [each.message.content for each in answer.choices] == ["w0 w1 "] * 2
    assert answer.choices[0].message.to_dict()["reasoning"] == "Hm."


def test_tools_there_and_back_and_streamed(client: OpenAI) -> None:
    tool = openai.pydantic_function_tool(City)
    messages = saying(f"call City {OSLO}")
    answer = client.chat.completions.create(
        model="tiny", messages=messages, tools=[tool], tool_choice="required"
    )
    message = answer.choices[0].message
    assert message.tool_calls
    [call] = message.tool_calls
    assert call.type == "function"
    assert json.loads(call.function.arguments) == json.loads(OSLO)
    messages.append(message)  # type: ignore[arg-type]  # as its own examples do
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "large"})
    answer = client.chat.completions.create(model="tiny", messages=messages, tools=[tool])
    assert answer.choices[0].message.content == "City gave large"
    with client.chat.completions.stream(
        model="tiny", messages=saying(f"call City {OSLO}"), tools=[tool]
    ) as stream:
        parsed = stream.get_final_completion().choices[0].message.tool_calls
    assert parsed
    assert parsed[0].function.parsed_arguments == City(city="Oslo", people=700_000)


def test_answers_are_parsed_into_models(client: OpenAI) -> None:
    wanted = saying(f"echo no JSON || {OSLO}")
    answer = client.chat.completions.parse(model="tiny", messages=wanted, response_format=City)
    assert answer.choices[0].message.parsed == City(city="Oslo", people=700_000)
    with client.chat.completions.stream(model="tiny", messages=wanted, response_format=City) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == City(city="Oslo", people=700_000)
    with pytest.raises(openai.InternalServerError) as unfit:
        client.chat.completions.parse(model="tiny", messages=saying("echo no JSON"), response_format=City)
    assert unfit.value.code == "model_answer_unfit"
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(
            model="tiny", messages=saying("echo {"), response_format=City, max_completion_tokens=1
        )


def test_embeddings(client: OpenAI) -> None:
    plain = client.embeddings.create(model="vectors", input=["one", "two"], encoding_format="float")
    packed = client.embeddings.create(model="vectors", input=["one", "two"])
    assert packed.data[1].embedding == pytest.approx(plain.data[1].embedding, rel=1e-6)
    short = client.embeddings.create(model="vectors", input="one", dimensions=2).data[0].embedding
    assert len(short) == 2
    assert math.isclose(math.hypot(*short), 1, rel_tol=1e-6)


def test_who_asks_too_often_is_told_in_its_class(client: OpenAI, world: World, limits_on: None) -> None:
    slow = client.with_options(api_key=mint(world, world.account().id, "ai:use", requests_per_minute=1).key)
    slow.models.list()
    with pytest.raises(openai.RateLimitError) as refused:
        slow.models.list()
    assert refused.value.response.headers["retry-after"]


def test_a_stream_that_is_closed_and_a_task_that_is_cancelled_end_the_generation(
    client: OpenAI, ollama: FakeOllama
) -> None:
    mark = uuid4().hex
    with client.chat.completions.create(
        model="endless", messages=saying(f"close {mark}"), stream=True
    ) as stream:
        next(stream)
    assert ollama.asked(f"close {mark}").gone.wait(5)

    async def cancel() -> None:
        async with openai.AsyncOpenAI(base_url=client.base_url, api_key=client.api_key) as other:
            asked = asyncio.ensure_future(
                other.chat.completions.create(model="silent", messages=saying(f"cancel {mark}"))
            )
            await asyncio.to_thread(ollama.asked, f"cancel {mark}")
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)

    asyncio.run(cancel())
    assert ollama.asked(f"cancel {mark}").gone.wait(5)
