"""Whose turn it is: fair to accounts, bounded in number and in time."""

import asyncio
from collections import Counter
from contextlib import suppress
from uuid import uuid4

import httpx
import pytest

from functions.ai import turns as module
from functions.ai.turns import AiBusy, Turns
from tests.functions.ai.limits.rules import MODEL, reserved, used
from tests.functions.ai.sse import PATH, asking
from tests.support.fixtures import SettingsChange
from tests.support.ollama import FakeOllama
from tests.support.waiting import eventually
from tests.support.world import World

LONG = 1e9


async def started() -> None:
    """Let them go as far as they can."""
    for _ in range(3):
        await asyncio.sleep(0)


def test_the_turn_goes_from_account_to_account(settings: SettingsChange) -> None:
    settings(AI_CONCURRENCY="1", AI_USER_CONCURRENCY="5")
    many, few = uuid4(), uuid4()
    order: list[object] = []

    async def work(turns: Turns, owner: object) -> None:
        await turns.take(owner, LONG)  # type: ignore[arg-type]  # any key will do
        order.append(owner)
        await asyncio.sleep(0)
        turns.give_back(owner, 0.1)  # type: ignore[arg-type]  # the same

    async def run() -> None:
        turns = Turns()
        greedy = [asyncio.ensure_future(work(turns, many)) for _ in range(100)]
        await asyncio.sleep(0)
        modest = [asyncio.ensure_future(work(turns, few)) for _ in range(3)]
        await asyncio.gather(*greedy, *modest)
        assert (turns.running, turns.waiting) == (0, 0)

    asyncio.run(run())
    assert [index for index, owner in enumerate(order) if owner == few][-1] <= 8
    assert Counter(order) == {many: 100, few: 3}


def test_an_account_has_no_more_turns_than_its_own_and_leaves_the_others_theirs(
    settings: SettingsChange,
) -> None:
    settings(AI_CONCURRENCY="10", AI_USER_CONCURRENCY="2")
    greedy, other = uuid4(), uuid4()

    async def run() -> None:
        turns = Turns()
        tasks = [asyncio.ensure_future(turns.take(greedy, LONG)) for _ in range(20)]
        await started()
        assert (turns.running, turns.waiting) == (2, 18)
        await turns.take(other, 0)
        assert turns.running == 3
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert turns.waiting == 0

    asyncio.run(run())


def test_who_leaves_while_waiting_leaves_its_place(settings: SettingsChange) -> None:
    settings(AI_CONCURRENCY="1")
    first, second, third = uuid4(), uuid4(), uuid4()

    async def run() -> None:
        turns = Turns()
        await turns.take(first, LONG)
        leaving = asyncio.ensure_future(turns.take(second, LONG))
        staying = asyncio.ensure_future(turns.take(third, LONG))
        await started()
        # It gets its turn, and is cancelled before it knows.
        turns.give_back(first)
        leaving.cancel()
        with suppress(asyncio.CancelledError):
            await leaving
        await staying
        assert (turns.running, turns.waiting) == (1, 0)
        turns.give_back(third)
        assert turns.running == 0

    asyncio.run(run())


def test_a_full_queue_refuses_and_says_when_to_come_again(settings: SettingsChange) -> None:
    settings(AI_CONCURRENCY="1", AI_QUEUE="2")
    owner = uuid4()

    async def run() -> float:
        turns = Turns()
        await turns.take(owner, LONG)
        waiting = [asyncio.ensure_future(turns.take(owner, LONG)) for _ in range(2)]
        await started()
        with pytest.raises(AiBusy) as refused:
            await turns.take(owner, LONG)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return float(refused.value.headers["Retry-After"])

    # Three before it, a guess of five seconds each.
    assert asyncio.run(run()) == 15


def test_who_fills_the_queue_makes_room_for_who_does_not(settings: SettingsChange) -> None:
    settings(AI_CONCURRENCY="1", AI_QUEUE="4")
    greedy, other = uuid4(), uuid4()

    async def run() -> None:
        turns = Turns()
        await turns.take(greedy, LONG)
        crowd = [asyncio.ensure_future(turns.take(greedy, LONG)) for _ in range(4)]
        await started()
        modest = asyncio.ensure_future(turns.take(other, LONG))
        await started()
        assert [task.done() for task in crowd] == [False, False, False, True]
        assert isinstance(crowd[3].exception(), AiBusy)
        turns.give_back(greedy)
        turns.give_back(greedy)
        await modest
        for task in crowd:
            task.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)

    asyncio.run(run())


def test_who_waits_too_long_is_refused_by_503(
    asgi: httpx.Client, world: World, ollama: FakeOllama, settings: SettingsChange
) -> None:
    settings(AI_CONCURRENCY="1", AI_QUEUE_SECONDS="0")
    person = world.person()

    # Somebody else's turn, in the loop that serves.
    transport = asgi._transport
    loop = transport._loop  # type: ignore[attr-defined]  # of tests.support.transports
    other = uuid4()
    asyncio.run_coroutine_threadsafe(module_take(other), loop).result(10)
    try:
        answer = asgi.post(PATH, json=asking("say 1", MODEL), headers=person.headers)
    finally:
        asyncio.run_coroutine_threadsafe(module_give_back(other), loop).result(10)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ai_busy")
    assert int(answer.headers["Retry-After"]) >= 1
    assert used(world, person.id) == []
    assert asgi.post(PATH, json=asking("say 1", MODEL), headers=person.headers).is_success


async def module_take(owner: object) -> None:
    await module.turns().take(owner, LONG)  # type: ignore[arg-type]  # any key will do


async def module_give_back(owner: object) -> None:
    module.turns().give_back(owner)  # type: ignore[arg-type]  # the same


def test_requests_of_an_account_count_over_all_processes(
    asgi: httpx.Client, world: World, ollama: FakeOllama, settings: SettingsChange
) -> None:
    settings(AI_USER_CONCURRENCY="1", AI_QUEUE_SECONDS="0.2")
    person = world.person()
    elsewhere = uuid4()
    world.run(
        "insert into ai_reservations (id, owner_id, model, day, tokens, held_until) values "
        "(:id, :owner, 'x:latest', (now() at time zone 'utc')::date, 1, now() + interval '1 hour')",
        id=elsewhere,
        owner=person.id,
    )
    ask = {"json": asking("say 1", MODEL), "headers": person.headers}
    assert asgi.post(PATH, **ask).json()["error"]["code"] == "ai_busy"  # type: ignore[arg-type]  # by their names
    world.run("delete from ai_reservations where id = :id", id=elsewhere)
    settings(AI_QUEUE_SECONDS="10")
    assert asgi.post(PATH, **ask).status_code == 200  # type: ignore[arg-type]  # as above
    assert reserved(world, person.id) == 0


def test_a_client_that_leaves_the_queue_has_asked_nothing(
    over_http: httpx.Client, world: World, ollama: FakeOllama, settings: SettingsChange
) -> None:
    settings(AI_USER_CONCURRENCY="1")
    person = world.person()
    mark = uuid4().hex
    with httpx.Client(base_url=over_http.base_url, timeout=10) as client:
        body = asking("hello", "endless", stream=True)
        with client.stream("POST", PATH, json=body, headers=person.headers) as answer:
            lines = answer.iter_lines()
            next(lines)
            with pytest.raises(httpx.ReadTimeout):
                client.post(PATH, json=asking(mark, MODEL), headers=person.headers, timeout=0.3)
    eventually(lambda: reserved(world, person.id) == 0)
    assert [model for model, *_ in used(world, person.id)] == ["endless:latest"]
    assert not [call for call in ollama.calls if mark in call.prompt]
