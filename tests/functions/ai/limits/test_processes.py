"""Quotas are exact over processes that serve at once, and after one that is killed: `make test-limits`."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from functions.ai.jobs import sweep_reservations, tend_pulls
from tests.functions.ai.limits.processes import Process, serving
from tests.functions.ai.limits.pulling import read, start
from tests.functions.ai.limits.rules import MODEL, hold, limit, reserved, used
from tests.functions.ai.sse import PATH, asking, events
from tests.support.api_keys import mint
from tests.support.jobs import run_jobs
from tests.support.ollama import FakeOllama
from tests.support.waiting import eventually
from tests.support.world import Person, World

WORKER = "from functions.ai.jobs import tasks\ntasks.run_one()\n"
AT_ONCE = 50
WAITING = """
    select count(*) from pg_locks join pg_database on pg_database.oid = database
    where not granted and datname = current_database()
"""


@pytest.fixture(scope="module")
def two(world: World, ollama_server: FakeOllama) -> Iterator[list[Process]]:
    """Two processes that serve `ai`."""
    # However long a lock is waited for on a busy machine.
    patient = {
        "DATABASE_LOCK_SECONDS": "50",
        "DATABASE_STATEMENT_SECONDS": "60",
        "DATABASE_WAIT_SECONDS": "60",
    }
    with ExitStack() as stack:
        made = [stack.enter_context(serving(OLLAMA_URL=ollama_server.url, **patient)) for _ in range(2)]
        for process in made:
            httpx.get(f"{process.url}/v1/ai/livez", timeout=60).raise_for_status()
        yield made


def ask_at_once(two: list[Process], world: World, headers: dict[str, str], **more: int) -> Counter[int]:
    """The statuses of AT_ONCE requests over both processes.

    Nothing can be reserved before one of each process waits for that, or to be allowed to try.
    """
    body = asking("say 3", MODEL, **more)
    bounds = httpx.Limits(max_connections=AT_ONCE)
    with (
        httpx.Client(headers=headers, timeout=60, limits=bounds, verify=False) as client,  # noqa: S501 - no TLS here
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        with world.engine.begin() as connection:
            connection.execute(text("lock table ai_reservations in exclusive mode"))
            asked = [
                pool.submit(client.post, f"{two[number % 2].url}{PATH}", json=body)
                for number in range(AT_ONCE)
            ]
            eventually(lambda: world.scalar(WAITING) >= 2, 30)
        return Counter(answer.result().status_code for answer in asked)


def test_of_fifty_requests_at_once_as_many_pass_as_a_quota_of_requests_has_room_for(
    two: list[Process], world: World
) -> None:
    user = world.account()
    limit(world, owner_id=user.id, requests=7)
    assert ask_at_once(two, world, mint(world, user.id, "ai:use").headers) == {200: 7, 429: AT_ONCE - 7}
    assert used(world, user.id) == [(MODEL, 7, 7 * 7, 7 * 3)]
    assert reserved(world, user.id) == 0


def test_of_fifty_requests_at_once_no_more_pass_than_a_quota_of_tokens_has_room_for(
    two: list[Process], world: World
) -> None:
    user = world.account()
    # A hundred each are set aside, five of them for the prompt. They cost ten, and so make room for others.
    limit(world, owner_id=user.id, tokens=300)
    held = hold(world, user.id, 195)
    passed = ask_at_once(two, world, mint(world, user.id, "ai:use").headers, max_tokens=95)
    assert passed == {200: 1, 429: AT_ONCE - 1}
    assert used(world, user.id) == [(MODEL, 1, 7, 3)]
    world.run("delete from ai_reservations where id = :id", id=held)
    assert reserved(world, user.id) == 0


def test_a_process_that_is_killed_in_mid_stream_leaves_an_exact_quota(
    world: World, ollama: FakeOllama, two: list[Process]
) -> None:
    user = world.account()
    limit(world, owner_id=user.id, requests=3)
    headers = mint(world, user.id, "ai:use").headers
    body = asking(uuid4().hex, "endless", stream=True)
    with (
        serving(OLLAMA_URL=ollama.url) as killed,
        httpx.Client(base_url=killed.url, timeout=60) as client,
        client.stream("POST", PATH, json=body, headers=headers) as answer,
    ):
        chunks = events(answer.iter_lines())
        assert next(chunks)
        killed.kill()
    assert (reserved(world, user.id), used(world, user.id)) == (1, [])
    ask = {"json": asking("say 3", MODEL), "headers": headers, "timeout": 60}
    # It counts while nobody knows yet that it is lost, and no more than once after that.
    assert httpx.post(f"{two[0].url}{PATH}", **ask).status_code == 200  # type: ignore[arg-type]  # by their names
    sweep_reservations()
    assert reserved(world, user.id) == 1
    world.run("update ai_reservations set held_until = now() where owner_id = :id", id=user.id)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: sweep_reservations(), range(4)))
    assert reserved(world, user.id) == 0
    ((lost, requests, prompt, completion), *others) = used(world, user.id)
    assert (lost, requests, completion, len(others)) == ("endless:latest", 1, 0, 1)
    assert prompt > 0
    statuses = [
        httpx.post(f"{two[1].url}{PATH}", **ask).status_code  # type: ignore[arg-type]  # as above
        for _ in range(2)
    ]
    assert statuses == [200, 429]


def test_after_a_killed_worker_another_goes_on_where_it_was(
    asgi: httpx.Client, world: World, ollama: FakeOllama, puller: Person
) -> None:
    pull = start(asgi, puller, "large:1b")
    with subprocess.Popen(
        [sys.executable, "-c", WORKER], env=os.environ | {"OLLAMA_URL": ollama.url}, stdout=subprocess.DEVNULL
    ) as child:
        eventually(lambda: int(str(read(asgi, puller, pull)["completed"])) > 0, 30)
        child.kill()
        child.wait(10)
    eventually(lambda: ollama.administered.at_once == 0)
    before = ollama.administered.offsets["large:1b"]
    # Nobody takes it while that one may live.
    tend_pulls()
    run_jobs("ai")
    assert read(asgi, puller, pull)["state"] == "running"
    world.run("update model_pulls set held_until = now() where id = cast(:id as uuid)", id=pull)
    world.run("update jobs set state = 'dead' where task = 'pull_models'")
    tend_pulls()
    tend_pulls()
    assert world.scalar("select count(*) from jobs where task = 'pull_models' and state = 'queued'") == 1
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(run_jobs, "ai")
        eventually(lambda: ollama.administered.offsets["large:1b"] > before)
        ollama.administered.may_end.set()
        job.result(20)
    assert read(asgi, puller, pull)["state"] == "done"
