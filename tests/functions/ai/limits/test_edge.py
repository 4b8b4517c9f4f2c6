"""Quotas are exact: at their edge from many requests at once, and where nobody settles."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from functions.ai.jobs import sweep_reservations
from tests.functions.ai.limits.rules import MODEL, hold, limit, reserved, used
from tests.functions.ai.sse import PATH, asking
from tests.support.api_keys import mint
from tests.support.ollama import FakeOllama
from tests.support.waiting import eventually
from tests.support.world import Person, World

AT_ONCE = 50
WAITING = """
    select count(*) from pg_locks join pg_database on pg_database.oid = database
    where not granted and datname = current_database()
"""


def test_of_fifty_requests_at_once_as_many_pass_as_a_quota_has_room_for(
    asgi: httpx.Client, over_http: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    user = world.account()
    limit(world, owner_id=user.id, requests=3)
    ask: dict[str, Any] = {"json": asking("say 3", MODEL), "headers": mint(world, user.id, "ai:use").headers}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        # Nothing can be reserved before one of each loop waits for that, or to be allowed to try.
        with world.engine.begin() as connection:
            connection.execute(text("lock table ai_reservations in exclusive mode"))
            asked = [
                pool.submit(api.post, PATH, **ask) for api in (asgi, over_http) for _ in range(AT_ONCE // 2)
            ]
            eventually(lambda: world.scalar(WAITING) >= 2)
        statuses = Counter(answer.result().status_code for answer in asked)
    assert statuses == {200: 3, 429: AT_ONCE - 3}
    assert used(world, user.id) == [(MODEL, 3, 3 * 7, 3 * 3)]
    assert reserved(world, user.id) == 0


def test_who_asks_fifty_times_at_once_waits_with_one_connection(
    over_http: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    greedy, other = world.person(), world.person()

    def ask(person: Person) -> int:
        return over_http.post(PATH, json=asking("say 1", MODEL), headers=person.headers).status_code

    with ThreadPoolExecutor(AT_ONCE) as pool:
        with world.engine.begin() as connection:
            lock = "select pg_advisory_xact_lock(hashtextextended('ai ' || cast(:id as text), 0))"
            connection.execute(text(lock), {"id": str(greedy.id)})
            asked = [pool.submit(ask, greedy) for _ in range(AT_ONCE)]
            eventually(lambda: world.scalar(WAITING) == 1)
            assert ask(other) == 200
            assert world.scalar(WAITING) == 1
        assert {answer.result() for answer in asked} == {200}


def test_a_process_says_for_all_at_once_that_it_lives_and_what_they_cost(
    over_http: httpx.Client, world: World, ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.ai.admission.KEEP_SECONDS", 0.1)
    user = world.account()
    headers = mint(world, user.id, "ai:use").headers
    body = asking("hello", "endless", stream=True)
    with ExitStack() as stack:
        client = stack.enter_context(httpx.Client(base_url=over_http.base_url, timeout=10))
        answers = [
            stack.enter_context(client.stream("POST", PATH, json=body, headers=headers)).iter_lines()
            for _ in range(3)
        ]
        assert all(next(lines) for lines in answers)
        world.run("update ai_reservations set held_until = now() where owner_id = :id", id=user.id)
        found = eventually(
            lambda: world.rows(
                "select completion_tokens from ai_reservations where owner_id = :id "
                "and held_until > now() + interval '30 seconds' and completion_tokens > 0",
                id=user.id,
            )
        )
        assert len(found) == len(answers)
    eventually(lambda: reserved(world, user.id) == 0)
    ((_, requests, _, _),) = used(world, user.id)
    assert requests == 3


def test_what_a_conversation_was_saying_is_settled_by_who_knows_what_it_said(world: World) -> None:
    user = world.account()
    made = hold(world, user.id, 100)
    world.run("update ai_reservations set held_until = now() - interval '1 minute' where id = :id", id=made)
    ids = {"conversation": uuid4(), "message": uuid4(), "owner": user.id, "reservation": made, "p": uuid4()}
    world.run(
        "insert into conversations (id, owner_id, model) values (:conversation, :owner, 'x')",
        conversation=ids["conversation"],
        owner=user.id,
    )
    world.run(
        "insert into messages (id, conversation_id, owner_id, role, state) "
        "values (:message, :conversation, :owner, 'assistant', 'streaming')",
        **{name: ids[name] for name in ("message", "conversation", "owner")},
    )
    world.run(
        "insert into generations (message_id, conversation_id, owner_id, process_id, reservation_id) "
        "values (:message, :conversation, :owner, :p, :reservation)",
        **ids,
    )
    sweep_reservations()
    assert reserved(world, user.id) == 1
    world.run("update generations set ended_at = now() where message_id = :id", id=ids["message"])
    sweep_reservations()
    assert reserved(world, user.id) == 0
