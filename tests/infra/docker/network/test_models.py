"""Streams through the real gateway: nothing holds them back, and who leaves ends them."""

import time
from uuid import uuid4

import httpx
import pytest

from tests.functions.ai.sse import PATH, asking, events, words
from tests.infra.docker.network.conftest import Mailbox
from tests.infra.docker.network.test_smoke import sign_up
from tests.support.ollama import FakeOllama

WORDS = 400


@pytest.fixture
def person(client: httpx.Client, mailbox: tuple[Mailbox, int]) -> httpx.Client:
    tokens = sign_up(client, mailbox[0], f"{uuid4().hex}@lambkin.example")
    client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    return client


def test_a_stream_comes_event_by_event(person: httpx.Client, ollama_server: FakeOllama) -> None:
    mark = uuid4().hex
    with person.stream("POST", PATH, json=asking(f"{mark} say {WORDS}", stream=True)) as answer:
        chunks = events(answer.iter_lines())
        first = next(chunks)
        assert ollama_server.asked(mark).said < WORDS, "the first was here before the last was said"
        *rest, end = chunks
    assert end is None
    assert len(words([first, *rest]).split()) == WORDS


@pytest.mark.parametrize("model", ["endless", "silent"])
def test_who_leaves_ends_the_generation_within_a_second(
    person: httpx.Client, ollama_server: FakeOllama, model: str
) -> None:
    mark = uuid4().hex
    person.timeout = httpx.Timeout(1)
    if model == "endless":
        with person.stream("POST", PATH, json=asking(mark, model, stream=True)) as answer:
            next(answer.iter_lines())
    else:
        with pytest.raises(httpx.ReadTimeout):
            person.post(PATH, json=asking(mark, model))
    person.close()
    left = time.monotonic()
    assert ollama_server.asked(mark).gone.wait(5)
    assert time.monotonic() - left < 1
