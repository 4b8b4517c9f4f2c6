"""Edits and other answers are branches; none of them is lost."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from uuid import uuid4

import httpx
import pytest

from tests.functions.ai.conversations.talking import Talk, begin, events
from tests.support.ollama import FakeOllama
from tests.support.world import World


def test_an_edit_is_a_branch(talk: Talk, ollama: FakeOllama) -> None:
    first = talk.say("say 1")
    mark = uuid4().hex
    talk.say(f"before {mark} say 2")
    edited = talk.say(f"after {mark} say 3", parent_id=first["id"])
    shown = talk.messages()
    assert [each["content"] for each in shown] == ["say 1", "w0 ", f"after {mark} say 3", "w0 w1 w2 "]
    assert [each["depth"] for each in shown] == [0, 1, 2, 3]
    assert len(talk.messages(branches=True)) == 6
    sent = ollama.asked(f"after {mark}").body["messages"]
    assert [each["content"] for each in sent] == ["say 1", "w0 ", f"after {mark} say 3"]
    assert edited["parent_id"] == shown[2]["id"]


def test_the_first_message_is_edited_by_beginning_anew(talk: Talk) -> None:
    talk.say("say 1")
    again = talk.say("say 2", parent_id=None)
    assert [each["content"] for each in talk.messages()] == ["say 2", "w0 w1 "]
    assert talk.message(again["parent_id"])["parent_id"] is None


def test_regenerating_adds_an_answer_and_keeps_the_one_before(talk: Talk, ollama: FakeOllama) -> None:
    mark = uuid4().hex
    first = talk.say(f"{mark} say 2")
    path = f"{talk.path}/messages/{first['id']}/regenerate"
    wanted = {"stream": False, "parameters": {"max_tokens": 1, "temperature": 0.1}}
    second = talk.api.post(path, json=wanted, headers=talk.headers).json()
    assert (second["parent_id"], second["content"], second["finish_reason"]) == (
        first["parent_id"], "w0 ", "length"
    )  # fmt: skip
    assert second["parameters"]["temperature"] == 0.1
    assert talk.read()["leaf_id"] == second["id"]
    assert {each["content"] for each in talk.messages(branches=True)} == {f"{mark} say 2", "w0 w1 ", "w0 "}
    # A person may go back to the other branch.
    version = {"If-Match": str(talk.api.get(talk.path, headers=talk.headers).headers["etag"])}
    back = talk.api.patch(talk.path, json={"leaf_id": first["id"]}, headers=talk.headers | version)
    assert back.status_code == 200
    assert talk.messages()[-1]["id"] == first["id"]
    assert talk.messages(leaf_id=second["id"])[-1]["id"] == second["id"]


def test_two_edits_of_one_message_at_once_are_two_branches(talk: Talk, elsewhere: httpx.Client) -> None:
    first = talk.say("say 1")
    with ThreadPoolExecutor(2) as threads:
        edits = [
            threads.submit(talk.over(api).say, f"edit {number} say 2", parent_id=first["id"])
            for number, api in enumerate((talk.api, elsewhere))
        ]
        answers = [edit.result() for edit in edits]
    assert [answer["state"] for answer in answers] == ["done", "done"]
    assert len(talk.messages(branches=True)) == 6
    assert talk.read()["leaf_id"] in {answer["id"] for answer in answers}


def test_of_two_who_go_on_at_once_one_is_told_to_look_again(talk: Talk, elsewhere: httpx.Client) -> None:
    talk.say("say 1")

    def go_on(api: httpx.Client) -> str:
        body = {"content": "and on", "model": "endless"}
        with api.stream("POST", f"{talk.path}/messages", json=body, headers=talk.headers) as answer:
            if answer.status_code != 200:
                return str(json.loads(answer.read())["code"])
            message_id = next(events(answer.iter_lines())).data["message_id"]
            both.wait(10)
        return str(talk.over(api).stop(message_id)["state"])

    both = threading.Event()
    with ThreadPoolExecutor(2) as threads:
        said = [threads.submit(go_on, api) for api in (talk.api, elsewhere)]
        refused = next(as_completed(said)).result()
        both.set()
        told = {each.result() for each in said}
    assert refused in ("answer_unfinished", "conversation_moved")
    assert told == {refused, "stopped"}
    assert len(talk.messages(branches=True)) == 4


def test_an_answer_that_is_under_way_is_not_answered(endless: Talk) -> None:
    with endless.saying("go") as heard:
        message_id = next(heard).data["message_id"]
        refused = endless.try_to_say("and on")
        assert (refused.status_code, refused.json()["code"]) == (409, "answer_unfinished")
        endless.stop(message_id)


@pytest.mark.parametrize("which", ["a question", "another's", "nobody's"])
def test_what_is_said_follows_an_answer_of_the_same_conversation(
    talk: Talk, over_http: httpx.Client, world: World, which: str
) -> None:
    answer = talk.say("say 1")
    parent = {"a question": answer["parent_id"], "nobody's": str(uuid4())}.get(which)
    if parent is None:
        parent = begin(over_http, world.person()).say("say 1")["id"]
    refused = talk.try_to_say("hello", parent_id=parent)
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_message")
    assert refused.json()["errors"][0]["pointer"] == "#/parent_id"


def test_a_repetition_with_the_same_key_says_nothing_twice(talk: Talk) -> None:
    headers = talk.headers | {"Idempotency-Key": uuid4().hex}
    body = {"content": "say 2", "stream": False}
    answers = [talk.api.post(f"{talk.path}/messages", json=body, headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert [answer.headers.get("idempotency-replayed") for answer in answers] == [None, "true"]
    assert len(talk.messages(branches=True)) == 2
    streamed = talk.api.post(
        f"{talk.path}/messages", json=body, headers=headers | {"Accept": "application/json"}
    )
    assert streamed.json()["id"] == answers[0].json()["id"]


def test_a_branch_is_read_page_by_page_in_either_direction(talk: Talk) -> None:
    for number in range(3):
        talk.say(f"say {number + 1}")
    for order in ("asc", "desc"):
        for branches in (False, True):
            found: list[int] = []
            cursor: str | None = ""
            while cursor is not None:
                query = {"order": order, "branches": branches, "limit": 2} | (
                    {"cursor": cursor} if cursor else {}
                )
                page = talk.api.get(f"{talk.path}/messages", params=query, headers=talk.headers).json()
                found += [each["depth"] for each in page["items"]]
                cursor = page["next_cursor"]
            assert found == sorted(range(6), reverse=order == "desc")
