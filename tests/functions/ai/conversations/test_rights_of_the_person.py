"""What `ai` keeps of a person is in their export, and goes with them, also while a model is speaking."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import httpx
from sqlalchemy import event

from common.database import get_database, get_engine
from common.jobs import enqueue
from functions.ai import personal_data
from functions.ai.repository.reservations import settle as settle_now
from tests.functions.ai.conversations.talking import Talk, begin
from tests.functions.ai.limits.rules import hold, used
from tests.functions.users.running import run_job
from tests.support.jobs import run_jobs
from tests.support.ollama import FakeOllama
from tests.support.world import Person, World


def _erase(person: Person, world: World) -> None:
    world.run("update users set state = 'deleting' where id = :id", id=person.id)
    named = {"user_id": str(person.id), "functions": ["ai"]}
    job_id: UUID = get_database("ai").transaction(
        lambda session: enqueue(session, "ai", "erase_person", named)
    )
    assert run_job(job_id, "ai") == "done"


def test_an_export_has_what_was_said(asgi: httpx.Client, world: World, ollama: FakeOllama) -> None:
    talk = begin(asgi, world.person(), title="Sky")
    talk.say("say 2")
    topics = get_database("ai").transaction(lambda each: personal_data.collect(each, talk.person.id))
    assert [each["title"] for each in topics["conversations"].content] == ["Sky"]
    assert {each["content"] for each in topics["messages"].content} == {"say 2", "w0 w1 "}


def test_an_erasure_leaves_nothing(asgi: httpx.Client, world: World, ollama: FakeOllama) -> None:
    talk, other = begin(asgi, world.person()), begin(asgi, world.person())
    for each in (talk, other):
        each.say("say 2")
    _erase(talk.person, world)
    assert _left(world, talk.person) == 0
    assert len(other.messages()) == 2


def test_an_erasure_ends_what_is_being_said(endless: Talk, ollama: FakeOllama, world: World) -> None:
    mark = uuid4().hex
    with endless.saying(mark) as heard:
        next(heard), next(heard)
        _erase(endless.person, world)
        *_, last = heard
    assert (last.kind, last.data["code"]) == ("problem", "not_found")
    assert ollama.asked(mark).gone.wait(5)
    assert _left(world, endless.person) == 0


def test_a_title_that_comes_after_an_erasure_is_in_nobody_s_usage(
    asgi: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    talk, mark = begin(asgi, world.person()), uuid4().hex
    talk.say(f"{mark} say 2")
    world.run("insert into ai_models (name, tasks) values ('loading', '{title}')")
    ollama.loaded.clear()
    try:
        with ThreadPoolExecutor(1) as others:
            titling = others.submit(run_jobs, "ai")
            ollama.asked(f"user: {mark}")
            _erase(talk.person, world)
            ollama.loaded.set()
            assert titling.result(10) > 0
    finally:
        ollama.loaded.set()
        world.run("delete from ai_models where name = 'loading'")
    assert used(world, talk.person.id) == []


def test_what_is_settled_while_it_is_erased_is_in_nobody_s_usage(world: World) -> None:
    person, engine = world.person(), get_engine("ai")
    held = hold(world, person.id, 10)

    def settle(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("DELETE FROM ai_reservations"):
            get_database("ai").transaction(lambda session: settle_now(session, held, 3, 4))

    event.listen(engine, "before_cursor_execute", settle)
    try:
        get_database("ai").transaction(lambda session: personal_data.erase(session, person.id))
    finally:
        event.remove(engine, "before_cursor_execute", settle)
    assert used(world, person.id) == []


def test_deleting_a_conversation_ends_what_is_being_said_in_it(endless: Talk, ollama: FakeOllama) -> None:
    mark = uuid4().hex
    with endless.saying(mark) as heard:
        next(heard), next(heard)
        assert endless.api.delete(endless.path, headers=endless.headers).status_code == 204
        *_, last = heard
    assert (last.kind, last.data["code"]) == ("problem", "not_found")
    assert ollama.asked(mark).gone.wait(5)


def _left(world: World, person: Person) -> int:
    tables = ("conversations", "messages", "generations", "conversation_summaries")
    return sum(
        world.scalar(f"select count(*) from {table} where owner_id = :id", id=person.id) for table in tables
    )
