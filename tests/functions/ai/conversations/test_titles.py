"""A title comes by job, after the first exchange, and never over a person's."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx
import pytest

from common.database import AnyRow
from tests.functions.ai.conversations.talking import Talk, begin
from tests.functions.ai.limits.rules import limit, used
from tests.support.fixtures import SettingsChange
from tests.support.jobs import run_jobs
from tests.support.ollama import FakeOllama
from tests.support.world import Person, World


@pytest.fixture(scope="module")
def person(world: World) -> Person:
    return world.person()


def test_the_model_gives_a_title_after_the_first_exchange(
    asgi: httpx.Client, person: Person, ollama: FakeOllama
) -> None:
    talk = begin(asgi, person)
    mark = uuid4().hex
    talk.say(f"{mark} say 2")
    run_jobs("ai")
    told = talk.read()
    assert (told["title"], told["titled_by"]) == ("w0 w1 w2", "model")
    [asked] = [call.body for call in ollama.calls if call.prompt.startswith(f"user: {mark}")]
    assert "at most six words" in asked["messages"][-1]["content"]
    assert asked["options"]["num_predict"] == 40


def test_a_person_s_title_stays(asgi: httpx.Client, person: Person, ollama: FakeOllama) -> None:
    named = begin(asgi, person, title="Mine")
    named.say("say 2")
    renamed = begin(asgi, person)
    renamed.say("say 2")
    change = {"title": "Ours"}
    asgi.patch(renamed.path, json=change, headers=person.headers | {"If-Match": "*"})
    run_jobs("ai")
    assert (named.read()["title"], renamed.read()["title"]) == ("Mine", "Ours")


@contextmanager
def default_of_titles(world: World, name: str) -> Iterator[None]:
    """The model that gives titles, for now."""
    world.run("insert into ai_models (name, tasks) values (:name, '{title}')", name=name)
    try:
        yield
    finally:
        world.run("delete from ai_models where name = :name", name=name)


def unfinished(world: World, talk: Talk) -> list[AnyRow]:
    """The jobs that are still to give a title to this conversation."""
    return world.rows(
        """
        select id, attempts, state from jobs
        where task = 'title_conversation' and state <> 'done' and payload->>'conversation_id' = :id
        """,
        id=talk.id,
    )


def test_who_answered_is_asked_and_not_whom_the_person_only_named(
    asgi: httpx.Client, person: Person, ollama: FakeOllama
) -> None:
    talk = begin(asgi, person, model="ada/poet:3b")
    mark = uuid4().hex
    talk.say(f"{mark} say 2", model="tiny")
    run_jobs("ai")
    assert talk.read()["titled_by"] == "model"
    assert {call.body["model"] for call in ollama.calls if mark in call.prompt} == {"tiny"}


@contextmanager
def hidden_from_all(world: World, name: str) -> Iterator[None]:
    """A model that nobody may use, for now."""
    world.run("insert into ai_models (name, roles) values (:name, '{}')", name=name)
    try:
        yield
    finally:
        world.run("delete from ai_models where name = :name", name=name)


def test_a_model_that_the_person_may_not_use_gives_no_title_and_no_summary(
    asgi: httpx.Client, world: World, ollama: FakeOllama, settings: SettingsChange
) -> None:
    settings(OLLAMA_NUM_CTX="1024")
    person, mark = world.person(), uuid4().hex
    with hidden_from_all(world, "ada/poet:3b"):
        named = begin(asgi, person, model="ada/poet:3b")
        assert named.say(f"{mark} say 2")["state"] == "failed"
        assert named.say(f"{mark} say 2", model="tiny")["state"] == "done"
        long = begin(asgi, person, title="Long")
        for _ in range(4):
            long.say(f"{mark} {'so it was said once more ' * 32} say 1", model="tiny")
        assert long.say(f"{mark} say 1", model="ada/poet:3b")["state"] == "failed"
        world.run("delete from jobs where task = 'summarise_conversation' and payload->>'model' = 'tiny'")
        run_jobs("ai")
    assert {call.body["model"] for call in ollama.calls if mark in call.prompt} == {"tiny"}
    assert {model for model, *_ in used(world, person.id)} == {"tiny:latest"}
    assert (named.read()["title"], named.read()["titled_by"]) == (None, None)


def test_what_the_model_cannot_name_stays_without_a_title(
    asgi: httpx.Client, person: Person, world: World, ollama: FakeOllama
) -> None:
    talk = begin(asgi, person)
    with default_of_titles(world, "nobody"):
        talk.say("say 2")
        run_jobs("ai")
    assert talk.read()["title"] is None
    assert not unfinished(world, talk)


def test_a_title_is_of_its_person_s_tokens_and_none_of_its_requests(
    asgi: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    person = world.person()
    talk = begin(asgi, person)
    talk.say("say 2")
    before = used(world, person.id)
    run_jobs("ai")
    assert talk.read()["title"] is not None
    assert (before, used(world, person.id)) == ([("tiny:latest", 1, 7, 2)], [("tiny:latest", 1, 14, 5)])


def test_who_has_no_tokens_left_gets_no_title(asgi: httpx.Client, world: World, ollama: FakeOllama) -> None:
    person = world.person()
    talk = begin(asgi, person)
    talk.say("say 2")
    limit(world, owner_id=person.id, tokens=20)
    run_jobs("ai")
    assert talk.read()["title"] is None
    assert used(world, person.id) == [("tiny:latest", 1, 7, 2)]
    assert not unfinished(world, talk)


def test_where_the_model_server_is_away_the_job_is_tried_again(
    asgi: httpx.Client, person: Person, world: World, ollama: FakeOllama
) -> None:
    talk = begin(asgi, person)
    with default_of_titles(world, "busy"):
        talk.say("say 2")
        run_jobs("ai")
    [job] = unfinished(world, talk)
    assert (job.attempts, job.state) == (1, "queued")
    world.run("delete from jobs where id = :id", id=job.id)
