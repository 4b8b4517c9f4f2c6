"""OpenAI's own Python package works with a base URL and one of our API keys, and nothing else."""

from collections.abc import Iterator

import httpx
import openai
import pytest
from openai import OpenAI

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
    assert [model.id for model in client.models.list()] == ["ada/poet:3b", MODEL]
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
