"""Conversations are begun, found, described and deleted by those whose they are."""

import json
from uuid import uuid4

import httpx
import pytest

from tests.functions.ai.conversations.talking import PATH, begin
from tests.support.ollama import FakeOllama
from tests.support.world import Person, World


@pytest.fixture(scope="module")
def person(world: World) -> Person:
    return world.person()


def _ids(api: httpx.Client, person: Person, **query: object) -> list[str]:
    answer = api.get(PATH, params=query, headers=person.headers)  # type: ignore[arg-type]  # httpx takes these
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["items"]]


def test_a_conversation_is_begun_once_with_one_key(asgi: httpx.Client, person: Person) -> None:
    headers = person.headers | {"Idempotency-Key": uuid4().hex}
    wanted = {"model": "tiny", "title": "Sky", "system": "Be brief.", "parameters": {"temperature": 0.5}}
    first, second = (asgi.post(PATH, json=wanted, headers=headers) for _ in range(2))
    assert (first.status_code, first.json()) == (201, second.json())
    assert first.json()["titled_by"] == "person"
    assert first.json()["parameters"]["temperature"] == 0.5
    assert first.headers["etag"] == '"1"'


def test_a_change_says_which_version_it_is_of(asgi: httpx.Client, person: Person) -> None:
    talk = begin(asgi, person)
    change = {"title": "Sky", "pinned": True, "archived": True, "model": "ada/poet:3b", "system": "Rhyme."}
    assert asgi.patch(talk.path, json=change, headers=talk.headers).status_code == 428
    done = asgi.patch(talk.path, json=change, headers=talk.headers | {"If-Match": '"1"'})
    assert done.status_code == 200
    told = done.json()
    assert {name: told[name] for name in ("title", "pinned", "model", "system")} == {
        name: change[name] for name in ("title", "pinned", "model", "system")
    }
    assert told["archived_at"]
    assert done.headers["etag"] == '"2"'
    late = asgi.patch(talk.path, json={"title": "Sea"}, headers=talk.headers | {"If-Match": '"1"'})
    assert late.status_code == 412
    same = asgi.patch(talk.path, json=change, headers=talk.headers | {"If-Match": '"2"'})
    assert same.headers["etag"] == '"2"', "what changes nothing makes no version"
    back = asgi.patch(talk.path, json={"archived": False}, headers=talk.headers | {"If-Match": "*"})
    assert back.json()["archived_at"] is None
    fresh = asgi.get(talk.path, headers=talk.headers | {"If-None-Match": back.headers["etag"]})
    assert fresh.status_code == 304


def test_lists_are_filtered(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    talks = [begin(asgi, person, model=model) for model in ("tiny", "ada/poet:3b", "tiny")]
    for talk, change in zip(talks, ({"pinned": True}, {"archived": True}, {}), strict=True):
        asgi.patch(talk.path, json=change, headers=person.headers | {"If-Match": "*"})
    first, second, third = (talk.id for talk in talks)
    assert _ids(asgi, person) == [third, first]
    assert _ids(asgi, person, archived=True) == [second]
    assert _ids(asgi, person, pinned=True) == [first]
    assert _ids(asgi, person, pinned=False, model="tiny") == [third]
    assert _ids(asgi, world.person()) == []


def test_the_list_goes_on_where_its_page_ended(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    made = [begin(asgi, person).id for _ in range(5)]
    page = asgi.get(PATH, params={"limit": 3}, headers=person.headers).json()
    rest = asgi.get(PATH, params={"limit": 3, "cursor": page["next_cursor"]}, headers=person.headers).json()
    assert [each["id"] for each in page["items"] + rest["items"]] == made[::-1]
    assert rest["next_cursor"] is None


def test_search_finds_titles_and_what_was_said(asgi: httpx.Client, world: World, ollama: FakeOllama) -> None:
    person = world.person()
    titled = begin(asgi, person, title="Why is the sky 100% Blue_ish?")
    spoken = begin(asgi, person)
    spoken.say("the quick brown fox say 2")
    assert _ids(asgi, person, q="blue") == [titled.id]
    assert _ids(asgi, person, q="100%") == [titled.id]
    assert _ids(asgi, person, q="_") == [titled.id], "a wildcard is a character"
    assert _ids(asgi, person, q="fox quick") == [spoken.id]
    assert _ids(asgi, person, q="W1") == [spoken.id], "what the model said too"
    assert _ids(asgi, person, q='"fox quick"') == []
    assert _ids(asgi, person, q="fox -quick") == []
    assert _ids(asgi, person, q="!!! ' -") == []
    assert _ids(asgi, world.person(), q="fox") == []


def test_what_was_said_last_is_listed_first(asgi: httpx.Client, world: World, ollama: FakeOllama) -> None:
    person = world.person()
    old, new = begin(asgi, person), begin(asgi, person)
    assert _ids(asgi, person) == [new.id, old.id]
    old.say("say 1")
    assert _ids(asgi, person) == [old.id, new.id]


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE", "messages", "say", "export"])
def test_another_s_conversation_is_not_there(
    asgi: httpx.Client, person: Person, world: World, method: str
) -> None:
    path, headers = begin(asgi, person).path, world.person().headers | {"If-Match": "*"}
    answer = {
        "GET": lambda: asgi.get(path, headers=headers),
        "PATCH": lambda: asgi.patch(path, json={"title": "Mine"}, headers=headers),
        "DELETE": lambda: asgi.delete(path, headers=headers),
        "messages": lambda: asgi.get(f"{path}/messages", headers=headers),
        "say": lambda: asgi.post(f"{path}/messages", json={"content": "hello"}, headers=headers),
        "export": lambda: asgi.get(f"{path}/export", headers=headers),
    }[method]()
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_conversation_is_deleted_with_all_that_was_said(
    asgi: httpx.Client, person: Person, world: World, ollama: FakeOllama
) -> None:
    talk = begin(asgi, person)
    talk.say("say 2")
    late = asgi.delete(talk.path, headers=talk.headers | {"If-Match": '"1"'})
    assert late.status_code == 412, "something was said since"
    assert asgi.delete(talk.path, headers=talk.headers).status_code == 204
    assert asgi.get(talk.path, headers=talk.headers).status_code == 404
    assert world.scalar("select count(*) from messages where conversation_id = :id", id=talk.id) == 0
    assert ("conversation.deleted", "success") in world.audit(person.id)


def test_an_export_has_all_branches_as_json_and_the_one_shown_as_markdown(
    asgi: httpx.Client, person: Person, ollama: FakeOllama
) -> None:
    talk = begin(asgi, person, title="Sky ✓", system="Be brief.")
    for number in range(3):
        talk.say(f"say {number + 1}", parent_id=None)
    answer = asgi.get(f"{talk.path}/export", headers=talk.headers)
    assert answer.headers["content-disposition"] == f'attachment; filename="conversation-{talk.id}.json"'
    told = json.loads(answer.text)
    assert (told["title"], told["system"], len(told["messages"])) == ("Sky ✓", "Be brief.", 6)
    text = asgi.get(f"{talk.path}/export", params={"format": "markdown"}, headers=talk.headers)
    assert text.headers["content-type"] == "text/markdown; charset=utf-8"
    assert text.text == "# Sky ✓\n\n> Be brief.\n\n## You\n\nsay 3\n\n## tiny\n\nw0 w1 w2 \n"
    empty = begin(asgi, person)
    assert asgi.get(f"{empty.path}/export", headers=talk.headers).json()["messages"] == []
    assert asgi.get(f"{empty.path}/export?format=markdown", headers=talk.headers).text == "# A conversation\n"


def test_one_that_names_no_model_gets_the_default(asgi: httpx.Client, person: Person, world: World) -> None:
    refused = asgi.post(PATH, json={}, headers=person.headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "no_default_model")
    world.run("insert into ai_models (name, tasks) values ('default:1b', '{chat}')")
    try:
        made = asgi.post(PATH, json={}, headers=person.headers)
    finally:
        world.run("delete from ai_models where name = 'default:1b'")
    assert (made.status_code, made.json()["model"]) == (201, "default:1b")


@pytest.mark.parametrize(
    "wanted",
    [{"model": ""}, {"model": "a\nb"}, {"model": "tiny", "title": " "}, {"model": "tiny", "other": 1},
     {"model": "tiny", "parameters": {"temperature": 3}}, {"model": "tiny", "parameters": {"num_ctx": 9}}],
)  # fmt: skip
def test_what_is_no_conversation_is_refused(
    asgi: httpx.Client, person: Person, wanted: dict[str, object]
) -> None:
    assert asgi.post(PATH, json=wanted, headers=person.headers).status_code == 422


@pytest.mark.parametrize("content", ["", " \n", "\x00", "a" * 100_001])
def test_what_says_nothing_or_too_much_is_refused(asgi: httpx.Client, person: Person, content: str) -> None:
    assert begin(asgi, person).try_to_say(content).status_code == 422
