"""Models as administrators settle them: who may use which, what for; what is there; loaded and deleted."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from common.database import get_database
from functions.ai.repository import models as stored
from tests.functions.ai.conversations.talking import begin
from tests.functions.ai.limits.rules import MODEL, limit
from tests.functions.ai.sse import PATH, asking
from tests.support.api_keys import mint
from tests.support.jobs import run_jobs
from tests.support.ollama import FakeOllama
from tests.support.world import Person, World

MODELS = "/v1/ai/admin/models"


@pytest.fixture
def admin(world: World) -> Person:
    return world.person(roles=["admin"])


def settle(api: httpx.Client, admin: Person, model: str, version: str = "*", **change: Any) -> httpx.Response:
    return api.patch(f"{MODELS}/{model}", json=change, headers=admin.headers | {"If-Match": version})


@pytest.fixture
def role(world: World) -> str:
    name = f"r{uuid4().hex[:8]}"
    world.run("insert into roles (name, permissions) values (:n, '{ai:use}')", n=name)
    return name


def test_a_model_of_a_role_is_there_for_nobody_else(
    asgi: httpx.Client, world: World, ollama: FakeOllama, admin: Person, role: str
) -> None:
    chosen, other = world.person(roles=[role]), world.person()
    key = mint(world, chosen.id, "ai:use")
    assert settle(asgi, admin, "Ada/Poet:3B", roles=[role]).is_success
    try:
        for caller in (chosen.headers, key.headers):
            listed = asgi.get("/v1/ai/models", headers=caller).json()["data"]
            assert "ada/poet:3b" in [each["id"] for each in listed]
            assert asgi.post(PATH, json=asking("say 1", "ada/poet:3b"), headers=caller).is_success
        hidden = [
            asgi.get("/v1/ai/models/ada/poet:3b", headers=other.headers),
            asgi.post(PATH, json=asking("say 1", "ada/poet:3b"), headers=other.headers),
            asgi.post(PATH, json=asking("say 1", "ADA/poet:3b", stream=True), headers=other.headers),
            asgi.post(
                "/v1/ai/embeddings", json={"model": "ada/poet:3b", "input": "x"}, headers=other.headers
            ),
        ]
        absent = asgi.post(PATH, json=asking("say 1", "nobody"), headers=other.headers)
        assert {answer.status_code for answer in hidden} == {404}
        assert {str(answer.json()) for answer in hidden} == {str(absent.json())}
        listed = asgi.get("/v1/ai/models", headers=other.headers).json()["data"]
        assert [each["id"] for each in listed] == [MODEL, "vectors"]
    finally:
        world.run("delete from ai_models")


def test_a_refused_model_is_told_before_a_used_up_quota(
    asgi: httpx.Client, world: World, ollama: FakeOllama, admin: Person
) -> None:
    person = world.person()
    limit(world, owner_id=person.id, requests=0)
    model = f"m{uuid4().hex[:8]}"
    settle(asgi, admin, model, roles=[])
    assert asgi.post(PATH, json=asking("x", model), headers=person.headers).status_code == 404


def test_settings_have_versions_also_before_there_are_any(asgi: httpx.Client, admin: Person) -> None:
    model = f"m{uuid4().hex[:8]}:1b"
    read = asgi.get(f"{MODELS}/{model}", headers=admin.headers)
    assert read.json() == {"id": model, "roles": None, "tasks": [], "num_ctx": None}
    assert read.headers["ETag"] == '"0"'
    assert settle(asgi, admin, model, '"1"', num_ctx=512).status_code == 412
    changed = settle(asgi, admin, model, '"0"', num_ctx=512)
    assert (changed.headers["ETag"], changed.json()["num_ctx"]) == ('"1"', 512)
    assert settle(asgi, admin, model, '"1"', roles=["member"]).json()["num_ctx"] == 512
    assert settle(asgi, admin, model, '"1"', roles=None).status_code == 412
    refused = settle(asgi, admin, model, roles=["nobody-has-this"])
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_role")


def test_a_task_has_one_default(asgi: httpx.Client, world: World, admin: Person) -> None:
    first, second = (f"m{uuid4().hex[:8]}:1b" for _ in range(2))
    settle(asgi, admin, first, tasks=["title", "summary"])
    settle(asgi, admin, second, tasks=["title"])

    def default(task: str) -> str | None:
        return get_database("ai").reading(lambda connection: stored.default_for(connection, task))

    assert (default("title"), default("summary"), default("embedding")) == (second, first, None)
    assert asgi.get(f"{MODELS}/{first}", headers=admin.headers).json()["tasks"] == ["summary"]
    world.run("delete from ai_models")


def test_what_a_model_sees_at_once_is_what_is_settled(
    asgi: httpx.Client, world: World, ollama: FakeOllama, admin: Person
) -> None:
    settle(asgi, admin, "ada/poet:3b", num_ctx=1024)
    mark = uuid4().hex
    asgi.post(PATH, json=asking(mark, "ada/poet:3b"), headers=world.person().headers)
    world.run("delete from ai_models")
    assert ollama.asked(mark).body["options"]["num_ctx"] == 1024


def test_the_list_tells_what_models_can_and_which_are_in_memory(
    asgi: httpx.Client, ollama: FakeOllama, admin: Person
) -> None:
    load = {"model": MODEL, "keep_seconds": 60}
    assert asgi.post("/v1/ai/preloads", json=load, headers=admin.headers).status_code == 204
    items = {each["id"]: each for each in asgi.get(MODELS, headers=admin.headers).json()["items"]}
    assert items[MODEL]["capabilities"] == ["completion", "tools", "vision", "thinking"]
    assert (items[MODEL]["loaded"], items["vectors"]["loaded"]) == (True, False)
    assert items[MODEL]["size"] > items["vectors"]["memory"] == 0
    asgi.post("/v1/ai/preloads", json=load | {"keep_seconds": 0}, headers=admin.headers)
    assert not ollama.administered.loaded
    absent = asgi.post("/v1/ai/preloads", json={"model": "nobody"}, headers=admin.headers)
    assert (absent.status_code, absent.json()["code"]) == (404, "model_not_found")


def test_a_deleted_model_is_no_default_and_stays_whose_it_was(
    asgi: httpx.Client, world: World, ollama: FakeOllama, admin: Person
) -> None:
    ollama.administered.pulled.add("passing:1b")
    settle(asgi, admin, "passing:1b", roles=["admin"], tasks=["chat"])
    assert asgi.delete(f"{MODELS}/passing:1b", headers=admin.headers).status_code == 204
    assert asgi.delete(f"{MODELS}/passing:1b", headers=admin.headers).status_code == 404
    left = asgi.get(f"{MODELS}/passing:1b", headers=admin.headers).json()
    assert (left["roles"], left["tasks"]) == (["admin"], [])
    world.run("delete from ai_models")


def test_the_default_for_titles_gives_them(
    asgi: httpx.Client, world: World, ollama: FakeOllama, admin: Person
) -> None:
    settle(asgi, admin, "ada/poet:3b", tasks=["title"])
    talk, mark = begin(asgi, world.person(), model=MODEL), uuid4().hex
    talk.say(f"{mark} say 2")
    run_jobs("ai")
    world.run("delete from ai_models")
    [asked] = [call.body for call in ollama.calls if call.prompt.startswith(f"user: {mark}")]
    assert asked["model"] == "ada/poet:3b"
