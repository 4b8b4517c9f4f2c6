"""Quotas: which rules apply, what is refused and how, and what is counted."""

import asyncio
from datetime import date
from typing import Any
from uuid import uuid4

import httpx
import openai
import pytest
from sqlalchemy import event

from common.context import RequestContext, enter_context
from common.database import get_engine
from common.ollama import ModelNotFound
from common.principals import Principal
from functions.ai.admission import admitted
from functions.ai.model_names import canonical
from tests.functions.ai.limits.rules import MODEL, limit, reserved, used
from tests.functions.ai.sse import PATH, asking, events
from tests.support.api_keys import mint
from tests.support.ollama import FakeOllama
from tests.support.transports import uvicorn_server
from tests.support.waiting import eventually
from tests.support.world import World


def ask(api: httpx.Client, headers: dict[str, str], prompt: str = "say 5", **more: Any) -> httpx.Response:
    return api.post(PATH, json=asking(prompt, more.pop("model", MODEL), **more), headers=headers)


def test_a_request_is_counted_with_what_it_did_cost(
    asgi: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    person = world.person()
    for _ in range(2):
        assert ask(asgi, person.headers).is_success
    assert used(world, person.id) == [(MODEL, 2, 14, 10)]
    assert reserved(world, person.id) == 0


def test_embeddings_are_counted(asgi: httpx.Client, world: World, ollama: FakeOllama) -> None:
    person = world.person()
    body = {"model": "vectors", "input": ["one two three"]}
    assert asgi.post("/v1/ai/embeddings", json=body, headers=person.headers).is_success
    assert used(world, person.id) == [("vectors:latest", 1, 3, 0)]


def test_a_request_that_failed_before_a_word_is_counted_without_tokens(
    asgi: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    person = world.person()
    assert ask(asgi, person.headers, model="gone").status_code == 503
    assert used(world, person.id) == [("gone:latest", 1, 0, 0)]


def test_a_model_that_is_not_there_is_in_nobody_s_usage(
    asgi: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    person = world.person()
    assert ask(asgi, person.headers, model="nobody").status_code == 404
    assert used(world, person.id) == []
    assert world.scalar("select count(*) from ai_reservations where owner_id = :id", id=person.id) == 0


def test_a_model_that_goes_away_while_it_speaks_is_counted_with_what_it_said(world: World) -> None:
    """As one does that is deleted before it is asked a second time."""
    person = world.person()

    async def go_away() -> None:
        user = Principal(person.id, None, frozenset(), 0.0)
        enter_context(RequestContext(function="ai"))
        async with admitted(user, model=MODEL, prompt_tokens=4) as admission:
            admission.settle(5, 7)
            raise ModelNotFound

    with pytest.raises(ModelNotFound):
        asyncio.run(go_away())
    assert used(world, person.id) == [(MODEL, 1, 5, 7)]


def test_a_stream_that_broke_is_counted_with_what_was_said(
    asgi: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    person = world.person()
    answer = ask(asgi, person.headers, "say 9", model="dying", stream=True)
    assert "model_failed" in answer.text
    ((model, requests, prompt, completion),) = used(world, person.id)
    assert (model, requests, completion) == ("dying:latest", 1, 2)
    assert prompt > 0
    assert reserved(world, person.id) == 0


def test_a_client_that_left_is_counted_with_what_was_said(
    over_http: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    person = world.person()
    with over_http.stream(
        "POST", PATH, json=asking("hello", "endless", stream=True), headers=person.headers
    ) as answer:
        chunks = events(answer.iter_lines())
        for _ in range(10):
            next(chunks)
    ((_, requests, _, completion),) = eventually(lambda: used(world, person.id))
    assert requests == 1
    assert completion >= 9
    assert reserved(world, person.id) == 0


def test_one_request_too_many_is_told_as_openai_tells_it(
    asgi: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    person = world.person()
    limit(world, owner_id=person.id, requests=1)
    first = ask(asgi, person.headers)
    assert first.headers["RateLimit"].startswith('"ai-requests-day";r=0;t=')
    answer = ask(asgi, person.headers)
    assert answer.status_code == 429
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "quota_exceeded")
    assert 0 < int(answer.headers["Retry-After"]) <= 86_400
    assert answer.headers["RateLimit-Policy"] == '"ai-requests-day";q=1;w=86400'
    assert [requests for _, requests, _, _ in used(world, person.id)] == [1]


def test_openai_s_client_raises_its_own_error_at_once(world: World, ollama: FakeOllama) -> None:
    person = world.person()
    limit(world, owner_id=person.id, requests=0)
    with uvicorn_server() as url:
        before = len(ollama.calls)
        client = openai.OpenAI(api_key=mint(world, person.id, "ai:use").key, base_url=f"{url}/v1/ai")
        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hello"}])
        client.close()
    assert refused.value.code == "quota_exceeded"
    assert len(ollama.calls) == before


def test_the_most_specific_quota_applies_and_of_roles_the_most_generous(
    asgi: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    few, many = (f"r{uuid4().hex[:8]}" for _ in range(2))
    for role in (few, many):
        world.run("insert into roles (name, permissions) values (:n, '{ai:use}')", n=role)
    person = world.person(roles=[few, many])
    model = f"crashed:{uuid4().hex[:8]}"
    limit(world, model=model, requests=0)
    limit(world, model=model, role=few, requests=0)
    limit(world, model=model, role=many, requests=2)
    assert [ask(asgi, person.headers, model=model).status_code for _ in range(3)] == [502, 502, 429]
    limit(world, model=model, owner_id=person.id, requests=3)
    assert [ask(asgi, person.headers, model=model).status_code for _ in range(2)] == [502, 429]


def test_a_quota_of_a_key_is_in_addition(asgi: httpx.Client, world: World, ollama: FakeOllama) -> None:
    person = world.person()
    key, other = mint(world, person.id, "ai:use"), mint(world, person.id, "ai:use")
    limit(world, key_id=key.id, requests=1)
    limit(world, owner_id=person.id, requests=3)
    assert [ask(asgi, key.headers).status_code for _ in range(2)] == [200, 429]
    assert [ask(asgi, other.headers).status_code for _ in range(3)] == [200, 200, 429]


def test_a_quota_of_a_month_counts_the_days_of_this_one_alone(
    asgi: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    person = world.person()
    limit(world, owner_id=person.id, requests=2, period="month")
    first = date.fromisoformat(
        str(world.scalar("select date_trunc('month', now() at time zone 'utc')::date"))
    )
    for day, number in ((first, 1), (first.replace(year=first.year - 1), 50)):
        world.run(
            "insert into ai_usage (owner_id, day, model, requests) values (:id, :day, 'x:latest', :n)",
            id=person.id,
            day=day,
            n=number,
        )
    assert [ask(asgi, person.headers).status_code for _ in range(2)] == [200, 429]


@pytest.mark.parametrize(
    "spelled", ["tiny", "TINY:latest", "library/tiny", "registry.ollama.ai/library/tiny", "https://x@y"]
)
def test_a_model_has_one_quota_however_it_is_spelled(
    asgi: httpx.Client, world: World, ollama: FakeOllama, spelled: str
) -> None:
    person = world.person()
    limit(world, owner_id=person.id, model=canonical(spelled), requests=0)
    assert ask(asgi, person.headers, model=spelled).status_code == 429
    assert ask(asgi, person.headers, model=MODEL).status_code == 200


def test_what_max_tokens_names_is_set_aside_whole_or_refused(
    asgi: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    person = world.person()
    limit(world, owner_id=person.id, tokens=50)
    assert ask(asgi, person.headers, max_tokens=60).status_code == 429
    assert "needs" in ask(asgi, person.headers, max_tokens=60).json()["error"]["message"]
    assert ask(asgi, person.headers, max_tokens=20).status_code == 200


def test_an_answer_that_may_be_asked_for_twice_is_set_aside_twice(
    asgi: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    person = world.person()
    limit(world, owner_id=person.id, tokens=100)
    of_json = {"response_format": {"type": "json_object"}}
    assert ask(asgi, person.headers, "echo no", max_tokens=50, **of_json).status_code == 429
    assert ask(asgi, person.headers, "echo no", max_tokens=40, **of_json).status_code == 502
    assert used(world, person.id) == [(MODEL, 1, 14, 2)]


def test_an_answer_without_max_tokens_is_no_longer_than_what_is_left(
    asgi: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    person = world.person()
    limit(world, owner_id=person.id, tokens=40)
    answer = ask(asgi, person.headers, "say 500")
    assert answer.json()["choices"][0]["finish_reason"] == "length"
    # What is left, less the estimate of the prompt: five.
    assert used(world, person.id) == [(MODEL, 1, 7, 35)]
    assert ask(asgi, person.headers, "say 500").status_code == 429


def test_a_request_takes_few_statements(asgi: httpx.Client, world: World, ollama: FakeOllama) -> None:
    person = world.person()
    limit(world, owner_id=person.id, tokens=10_000, requests=10)
    assert ask(asgi, person.headers).is_success
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(get_engine("ai"), "before_cursor_execute", note)
    try:
        assert ask(asgi, person.headers, "say 200").is_success
    finally:
        event.remove(get_engine("ai"), "before_cursor_execute", note)
    # A lock, how the account stands, what is set aside; and what it did cost.
    assert len(statements) == 4
