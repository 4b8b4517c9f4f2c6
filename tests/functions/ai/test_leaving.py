"""Who leaves ends the generation, and tokens that flow hold nothing that others need."""

import time
from contextlib import ExitStack
from uuid import uuid4

import httpx
import pytest

from common.database.engine import connections_in_use
from tests.functions.ai.sse import PATH, asking
from tests.support.api_keys import mint
from tests.support.ollama import FakeOllama
from tests.support.waiting import eventually
from tests.support.world import World

STREAMS = 20


@pytest.mark.parametrize("kind", ["stream", "whole"])
@pytest.mark.parametrize("model", ["endless", "silent"])
def test_a_client_that_leaves_ends_the_generation_within_a_second(
    over_http: httpx.Client, world: World, ollama: FakeOllama, model: str, kind: str
) -> None:
    mark = uuid4().hex
    body = asking(mark, model, stream=kind == "stream")
    headers = world.person().headers
    with httpx.Client(base_url=over_http.base_url, timeout=0.5) as client:
        if (model, kind) == ("endless", "stream"):
            with client.stream("POST", PATH, json=body, headers=headers) as answer:
                assert next(answer.iter_lines())
        else:
            with pytest.raises(httpx.ReadTimeout):
                client.post(PATH, json=body, headers=headers)
    left = time.monotonic()
    call = ollama.asked(mark)
    assert call.gone.wait(5)
    assert time.monotonic() - left < 1


def test_streams_hold_no_connection_to_the_database(
    over_http: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    headers = mint(world, world.account().id, "ai:use").headers
    body = asking("hello", "endless", stream=True)
    with ExitStack() as stack:
        for _ in range(STREAMS):
            client = stack.enter_context(httpx.Client(base_url=over_http.base_url, timeout=10))
            answer = stack.enter_context(client.stream("POST", PATH, json=body, headers=headers))
            assert next(answer.iter_lines())
        assert connections_in_use("ai") == 0
        # More streams than connections, and this one's key has to be looked up as well.
        fresh = mint(world, world.account().id, "ai:use").headers
        assert over_http.get("/v1/ai/models", headers=fresh).status_code == 200


def test_a_stream_comes_word_by_word(over_http: httpx.Client, world: World, ollama: FakeOllama) -> None:
    mark = uuid4().hex
    body = asking(f"{mark} say 300", stream=True)
    with over_http.stream("POST", PATH, json=body, headers=world.person().headers) as answer:
        lines = answer.iter_lines()
        next(lines)
        assert ollama.asked(mark).said < 300, "the first was here before the last was said"
        assert sum(line.startswith("data: ") for line in lines) > 300
    eventually(lambda: ollama.asked(mark).said == 300)
