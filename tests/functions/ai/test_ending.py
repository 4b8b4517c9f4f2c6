"""What becomes of models at work where their process is told to end: a deployment, a container that stops."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from tests.functions.ai.conversations.talking import Talk, begin, words
from tests.functions.ai.ending import Served, served
from tests.functions.ai.limits.rules import reserved, used
from tests.functions.ai.sse import PATH, Json, asking, events
from tests.functions.ai.sse import words as streamed
from tests.support.api_keys import mint
from tests.support.ollama import FakeOllama
from tests.support.waiting import eventually
from tests.support.world import Person, World

OF_NO_READERS = 50
HEARD = 100


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def person(world: World) -> Person:
    return world.person()


def listen(process: Served, person: Person) -> Iterator[Json | None]:
    """The events of a stream, up to its end."""
    body = asking(uuid4().hex, "endless", stream=True)
    with (
        httpx.Client(base_url=process.url, timeout=30) as client,
        client.stream("POST", PATH, json=body, headers=person.headers) as answer,
    ):
        yield from events(answer.iter_lines())


def ask(process: Served, person: Person, model: str) -> httpx.Response:
    """A whole answer."""
    url = f"{process.url}{PATH}"
    return httpx.post(url, json=asking("say 3", model), headers=person.headers, timeout=30)


def open_unread(stack: ExitStack, process: Served, headers: dict[str, str]) -> None:
    """Streams whose clients read no more than their beginning."""
    client = stack.enter_context(httpx.Client(base_url=process.url, timeout=30))
    for _ in range(OF_NO_READERS):
        body = asking("unread", "endless", stream=True)
        answer = stack.enter_context(client.stream("POST", PATH, json=body, headers=headers))
        assert next(answer.iter_lines())


def counted(world: World, person: Person) -> tuple[int, int, int]:
    """How many requests are under way, how many were counted, and the tokens of their answers."""
    ((_, requests, _, completion),) = used(world, person.id)
    return reserved(world, person.id), requests, completion


def test_what_is_under_way_is_told_stored_and_settled_before_the_end(
    over_http: httpx.Client, world: World, ollama: FakeOllama, log: Path
) -> None:
    reader, waiter, talker, idler = (world.person() for _ in range(4))
    before = len(ollama.calls)
    crowded = {"AI_USER_CONCURRENCY": "64", "AI_CONCURRENCY": "64", "OLLAMA_URL": ollama.url}
    with served(log, crowded) as process, ThreadPoolExecutor(2) as pool, ExitStack() as stack:
        open_unread(stack, process, mint(world, idler.id, "ai:use").headers)
        waiting = pool.submit(ask, process, waiter, "endless")
        api = stack.enter_context(httpx.Client(base_url=process.url, timeout=30))
        talk = begin(api, talker, model="endless")
        said = stack.enter_context(talk.saying("go"))
        message_id = next(said).data["message_id"]
        chunks = listen(process, reader)
        heard = [next(chunks) for _ in range(HEARD)]
        eventually(lambda: len(ollama.calls) == before + OF_NO_READERS + 3)
        rest, told = pool.submit(list, chunks), pool.submit(list, said)
        process.tell()
        # Whoever is in a hurry says it twice.
        process.send(signal.SIGTERM)
        *more, last = rest.result()
        process.ended(within=4)
        assert all(call.gone.wait(5) for call in ollama.calls[before:]), "the model goes on for nobody"
    refused = waiting.result()
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
    assert refused.headers["retry-after"] == "1"
    assert counted(world, waiter)[:2] == (0, 1)
    # Who reads is told why no more comes, and has heard all that is counted.
    assert last is not None
    assert (last["error"]["code"], last["error"]["type"]) == ("unavailable", "server_error")
    assert counted(world, reader) == (0, 1, len(streamed([*heard, *more]).split()))
    kept = Talk(over_http, talker, talk.id).message(message_id)
    end = told.result()[-1]
    assert (end.kind, end.data["state"], kept["state"]) == ("done", "interrupted", "interrupted")
    assert kept["content"] == words(told.result())
    assert counted(world, talker) == (0, 1, len(kept["content"].split()))
    assert counted(world, idler)[:2] == (0, OF_NO_READERS)


def test_what_ends_in_time_is_answered_and_stored_whole_also_where_nobody_listens(
    over_http: httpx.Client, world: World, ollama: FakeOllama, person: Person, log: Path
) -> None:
    ollama.recital = "one two three"
    before = len(ollama.calls)
    with (
        served(log, {"OLLAMA_URL": ollama.url}, patience=20) as process,
        ThreadPoolExecutor(1) as pool,
        httpx.Client(base_url=process.url, timeout=30) as api,
    ):
        talk = begin(api, person, model="loading")
        with talk.saying("say 3") as said:
            message_id = next(said).data["message_id"]
        eventually(lambda: len(ollama.calls) == before + 1)
        waiting = pool.submit(ask, process, person, "unhurried")
        eventually(lambda: len(ollama.calls) == before + 2)
        process.tell()
        ollama.calls[-1].go_on.set()
        answer = waiting.result().json()
        # From here on there is nobody to whom anything could be told.
        ollama.loaded.set()
        process.ended(within=10)
    assert answer["choices"][0]["message"]["content"] == "one two three"
    kept = Talk(over_http, person, talk.id).message(message_id)
    assert (kept["state"], kept["content"]) == ("done", "w0 w1 w2 ")
    assert used(world, person.id) == [("loading:latest", 1, 7, 3), ("unhurried:latest", 1, 7, 3)]
    assert reserved(world, person.id) == 0


def test_a_database_that_hangs_does_not_keep_a_process_from_its_end(
    world: World, ollama: FakeOllama, person: Person, log: Path
) -> None:
    patient = {"OLLAMA_URL": ollama.url, "DATABASE_LOCK_SECONDS": "50", "DATABASE_STATEMENT_SECONDS": "60"}
    with (
        served(log, patient, seconds=0.5) as process,
        httpx.Client(base_url=process.url, timeout=30) as api,
        world.engine.begin() as connection,
    ):
        talk = begin(api, person, model="endless")
        chunks = listen(process, person)
        with talk.saying("go") as said:
            assert next(said)
            assert next(chunks)
            connection.execute(text("lock table ai_reservations, generations in exclusive mode"))
            process.tell()
            assert "not_drained" in process.ended(within=6)
    assert (reserved(world, person.id), used(world, person.id)) == (2, []), "a sweep settles them"


def test_what_could_not_be_settled_at_once_is_tried_again_before_the_end(
    world: World, ollama: FakeOllama, person: Person, log: Path
) -> None:
    hasty = {"OLLAMA_URL": ollama.url, "DATABASE_LOCK_SECONDS": "0.1"}
    with served(log, hasty) as process:
        chunks = listen(process, person)
        assert next(chunks)
        with world.engine.begin() as connection:
            connection.execute(text("lock table ai_reservations in exclusive mode"))
            process.tell()
            eventually(lambda: "ai_settlement_failed" in log.read_text())
        process.ended(within=5)
    assert counted(world, person)[:2] == (0, 1)
