"""Models on their way to Ollama: one at a time, seen from everywhere, cancelled, and gone on with."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from uuid import UUID, uuid4

import httpx
import pytest

from common.context import RequestContext, enter_context
from common.database import get_database
from functions.ai import pulls, watching
from tests.functions.ai.limits.pulling import PULLS, read, start
from tests.support.jobs import run_jobs
from tests.support.ollama import FakeOllama
from tests.support.ollama_administration import TOTAL
from tests.support.waiting import eventually
from tests.support.world import Person, World


def test_a_model_is_pulled_and_then_there(asgi: httpx.Client, ollama: FakeOllama, puller: Person) -> None:
    pull = start(asgi, puller, "quick:1b")
    again = asgi.post(PULLS, json={"model": "quick:1b"}, headers=puller.headers)
    assert (again.status_code, again.json()["code"]) == (409, "pull_exists")
    assert read(asgi, puller, pull)["state"] == "queued"
    run_jobs("ai")
    done = read(asgi, puller, pull)
    assert (done["state"], done["status"], done["completed"], done["total"]) == (
        "done",
        "success",
        TOTAL,
        TOTAL,
    )
    assert done["finished_at"]
    listed = asgi.get("/v1/ai/models", headers=puller.headers).json()["data"]
    assert "quick:1b" in [each["id"] for each in listed]
    assert asgi.delete(f"{PULLS}/{pull}", headers=puller.headers).json()["code"] == "pull_ended"


def test_a_model_that_is_nowhere_fails_and_leaves_the_others_their_turn(
    asgi: httpx.Client, ollama: FakeOllama, puller: Person
) -> None:
    absent, quick = start(asgi, puller, "absent:1b"), start(asgi, puller, "quick:1b")
    run_jobs("ai")
    failed = read(asgi, puller, absent)
    assert (failed["state"], failed["problem"]) == ("failed", "model_not_found")
    assert failed["status"] == "pull model manifest: file does not exist"
    assert read(asgi, puller, quick)["state"] == "done"


def test_a_pull_is_told_in_numbers_whatever_ollama_counts(
    asgi: httpx.Client, ollama: FakeOllama, puller: Person
) -> None:
    pull = start(asgi, puller, "odd-pull:1b")
    run_jobs("ai")
    done = read(asgi, puller, pull)
    assert (done["state"], done["completed"], done["total"]) == ("done", 2**50, 2**50)


def test_one_is_pulled_at_a_time(
    asgi: httpx.Client, world: World, ollama: FakeOllama, puller: Person
) -> None:
    first, second = start(asgi, puller, "large:1b"), start(asgi, puller, "quick:1b")
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(run_jobs, "ai") for _ in range(2)]
        eventually(lambda: read(asgi, puller, first)["state"] == "running")
        eventually(lambda: any(job.done() for job in jobs))
        assert read(asgi, puller, second)["state"] == "queued"
        ollama.administered.may_end.set()
        for job in jobs:
            job.result(20)
    assert [read(asgi, puller, each)["state"] for each in (first, second)] == ["done", "done"]
    assert ollama.administered.most_at_once == 1


@pytest.mark.parametrize("model", ["large:1b", "mute-pull:1b"])
def test_a_pull_that_is_cancelled_ends_within_seconds(
    asgi: httpx.Client, ollama: FakeOllama, puller: Person, model: str
) -> None:
    pull = start(asgi, puller, model)
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(run_jobs, "ai")
        eventually(lambda: ollama.administered.at_once == 1)
        for _ in range(2):
            assert asgi.delete(f"{PULLS}/{pull}", headers=puller.headers).status_code == 204
        job.result(10)
    assert read(asgi, puller, pull)["state"] == "cancelled"
    eventually(lambda: ollama.administered.at_once == 0)
    queued = start(asgi, puller, "quick:1b")
    asgi.delete(f"{PULLS}/{queued}", headers=puller.headers)
    run_jobs("ai")
    assert read(asgi, puller, queued)["state"] == "cancelled"
    assert "quick:1b" not in ollama.administered.pulled


def test_a_slice_that_is_over_leaves_the_rest_to_another_job(
    asgi: httpx.Client, world: World, ollama: FakeOllama, puller: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.ai.pulling.SLICE_SECONDS", 0.3)
    pull = start(asgi, puller, "large:1b")
    release = threading.Timer(1.0, ollama.administered.may_end.set)
    release.start()
    run_jobs("ai")
    release.join()
    assert read(asgi, puller, pull)["state"] == "done"
    assert world.scalar("select count(*) from jobs where task = 'pull_models'") >= 2


def test_while_ollama_is_away_a_pull_waits(
    asgi: httpx.Client, world: World, ollama: FakeOllama, puller: Person, settings: object
) -> None:
    settings(OLLAMA_URL="http://127.0.0.1:1")  # type: ignore[operator]  # SettingsChange
    pull = start(asgi, puller, "quick:1b")
    run_jobs("ai")
    assert read(asgi, puller, pull)["state"] == "queued"
    settings(OLLAMA_URL=ollama.url)  # type: ignore[operator]  # the same
    world.run("update jobs set run_at = now() where task = 'pull_models'")
    run_jobs("ai")
    assert read(asgi, puller, pull)["state"] == "done"


def test_whoever_looks_on_sees_it_to_its_end(
    over_http: httpx.Client, ollama: FakeOllama, puller: Person
) -> None:
    pull = start(over_http, puller, "large:1b")
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(run_jobs, "ai")
        with over_http.stream("GET", f"{PULLS}/{pull}/events", headers=puller.headers) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert "no-transform" in answer.headers["cache-control"]
            kinds, seen = [], []
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    kinds.append(line.removeprefix("event: "))
                if line.startswith("data: "):
                    seen.append(json.loads(line.removeprefix("data: ")))
                if len(seen) > 1 and seen[-1]["completed"]:
                    ollama.administered.may_end.set()
        job.result(20)
    assert (kinds[-1], seen[-1]["state"], seen[-1]["completed"]) == ("end", "done", TOTAL)
    assert set(kinds[:-1]) == {"progress"}
    late = over_http.get(f"{PULLS}/{pull}/events", headers=puller.headers)
    assert late.text.startswith("event: end\n")


def test_who_comes_to_look_on_as_it_ends_sees_the_end(
    asgi: httpx.Client, world: World, puller: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.02)
    pull_id = UUID(start(asgi, puller, "quick:1b"))
    stale = get_database("ai").reading(lambda connection: pulls.read_pull(connection, pull_id))
    world.run("update model_pulls set state = 'done' where id = :id", id=pull_id)

    async def look() -> list[str | None]:
        async with (
            aclosing(watching.changes(stale, 5)) as first,
            aclosing(watching.changes(stale, 1)) as then,
        ):
            told = [await anext(each) for each in (first, first, then, then)]
        return [None if each is None else each.state for each in told]

    enter_context(RequestContext(function="ai"))
    assert asyncio.run(look()) == ["queued", "done", "queued", "done"]


def test_a_pull_that_is_nobody_s_is_not_found(asgi: httpx.Client, puller: Person) -> None:
    for path in (f"{PULLS}/{uuid4()}", f"{PULLS}/{uuid4()}/events"):
        assert asgi.get(path, headers=puller.headers).status_code == 404
