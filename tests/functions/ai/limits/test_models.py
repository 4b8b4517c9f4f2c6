"""Models as administrators settle them: who may use which, what for; what is there; loaded and deleted."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from common.database import get_database
from functions.ai.repository import models as stored
from tests.functions.ai.conversations.talking import begin
from tests.functions.ai.limits.rules import MODEL, limit, reserved, used
from tests.functions.ai.sse import PATH, asking
from tests.support.api_keys import mint
from tests.support.fixtures import SettingsChange
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


def told(answer: httpx.Response) -> tuple[Any, ...]:
    """All that tells one answer from another, but for what is another each time."""
    code = answer.json().get("code") or answer.json().get("error", {}).get("code")
    return answer.status_code, code, answer.headers.get("ratelimit"), answer.headers.get("ratelimit-policy")


@pytest.mark.parametrize("requests", [5, 0])
def test_a_hidden_model_is_told_from_no_absent_one_by_no_quota(
    asgi: httpx.Client, world: World, ollama: FakeOllama, admin: Person, requests: int
) -> None:
    model = f"m{uuid4().hex[:8]}"
    settle(asgi, admin, model, roles=[], num_ctx=512)
    limit(world, model=model + ":latest", requests=0)
    asked = []
    for name in (model, "nobody"):
        person = world.person()
        limit(world, owner_id=person.id, requests=requests, period="month")
        asked.append(told(asgi.post(PATH, json=asking("x", name), headers=person.headers)))
        assert used(world, person.id) == []
    assert asked[0] == asked[1]


def test_a_hidden_model_is_away_with_its_server_as_an_absent_one(
    asgi: httpx.Client, world: World, ollama: FakeOllama, admin: Person, settings: SettingsChange
) -> None:
    settle(asgi, admin, "hidden:1b", roles=[])
    settings(OLLAMA_URL="http://127.0.0.1:9")
    headers = world.person().headers
    asked = [told(asgi.get(f"/v1/ai/models/{name}", headers=headers)) for name in ("hidden:1b", "nobody")]
    asked += [
        told(asgi.post(PATH, json=asking("x", name), headers=headers)) for name in ("hidden:1b", "nobody")
    ]
    world.run("delete from ai_models")
    assert {each[:2] for each in asked} == {(503, "model_server_unavailable")}


def test_a_conversation_tells_nobody_that_a_model_is_hidden(
    asgi: httpx.Client, world: World, ollama: FakeOllama, admin: Person
) -> None:
    settle(asgi, admin, "ada/poet:3b", roles=[])
    person = world.person()
    answers = [begin(asgi, person, model=name).say("say 1") for name in ("ada/poet:3b", "nobody")]
    world.run("delete from ai_models")
    assert [(each["state"], each["content"], each["problem"]["code"]) for each in answers] == [
        ("failed", "", "model_not_found")
    ] * 2
    assert used(world, person.id) == []
    assert reserved(world, person.id) == 0


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


def test_texts_without_a_model_are_for_the_default_for_embedding(
    asgi: httpx.Client, world: World, ollama: FakeOllama, admin: Person
) -> None:
    wanted: dict[str, Any] = {"json": {"input": "a"}, "headers": world.person().headers}
    refused = asgi.post("/v1/ai/embeddings", **wanted)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "no_default_model")
    settle(asgi, admin, "vectors", tasks=["embedding"])
    made = asgi.post("/v1/ai/embeddings", **wanted)
    world.run("delete from ai_models")
    assert (made.status_code, made.json()["model"]) == (200, "vectors:latest")


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


@pytest.mark.parametrize("size", [float("inf"), "many", -5, 10**30])
def test_a_size_that_is_none_is_told_as_0(
    asgi: httpx.Client, ollama: FakeOllama, admin: Person, size: object
) -> None:
    ollama.administered.loaded["tiny:1b"], ollama.administered.size = 60, size
    try:
        answer = asgi.get(MODELS, headers=admin.headers)
    finally:
        ollama.administered.size = None
        del ollama.administered.loaded["tiny:1b"]
    assert answer.status_code == 200, answer.text
    [tiny] = [each for each in answer.json()["items"] if each["id"] == "tiny:1b"]
    assert (tiny["memory"], tiny["loaded"]) == (0, True)
