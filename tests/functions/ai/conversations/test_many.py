"""Many streams at once: `make test-streams` runs this."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from common.database.engine import connections_in_use, get_engine
from tests.functions.ai.conversations.counting import counted, hear
from tests.functions.ai.conversations.talking import Talk, begin
from tests.functions.ai.conversations.test_statements import OF_EACH, PER_SECOND
from tests.support.fixtures import SettingsChange
from tests.support.ollama import FakeOllama
from tests.support.waiting import eventually
from tests.support.world import World


def test_twenty_streams_are_stored_as_often_as_one(
    over_http: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    person = world.person()
    talks = [begin(over_http, person, title="Counted") for _ in range(20)]
    began = time.monotonic()
    with counted() as sent, ThreadPoolExecutor(20) as threads:
        assert list(threads.map(lambda talk: hear(talk, 1000), talks)) == [1000] * 20
    seconds = time.monotonic() - began
    stored = [each for each in sent if "generation_parts" in each]
    assert len(stored) <= PER_SECOND / 2 * seconds + 20
    assert len(sent) <= OF_EACH * 20 + PER_SECOND * seconds


def test_fifty_streams_hold_no_connection(
    over_http: httpx.Client, world: World, ollama: FakeOllama, settings: SettingsChange
) -> None:
    # All of one person.
    settings(AI_USER_CONCURRENCY="50")
    assert get_engine("ai").pool.size() == 5  # type: ignore[attr-defined]  # of a pool with a size it is there
    person = world.person()
    ready, go_on = threading.Barrier(51), threading.Event()

    def stream(talk: Talk) -> str:
        with talk.saying("go") as heard:
            message_id = next(heard).data["message_id"]
            next(heard)
            ready.wait(30)
            assert go_on.wait(30)
        return str(talk.stop(message_id)["state"])

    limits = httpx.Limits(max_connections=110)
    with httpx.Client(base_url=over_http.base_url, timeout=60, limits=limits) as api:
        talks = [begin(api, person, model="endless") for _ in range(50)]
        with ThreadPoolExecutor(50) as threads:
            states = [threads.submit(stream, talk) for talk in talks]
            ready.wait(30)
            eventually(lambda: connections_in_use("ai") == 0)
            assert api.get("/v1/ai/conversations", headers=person.headers).status_code == 200
            go_on.set()
            assert {state.result() for state in states} == {"stopped"}
