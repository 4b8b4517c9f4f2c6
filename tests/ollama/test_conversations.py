"""What the tests say of conversations, of a model that says what it likes."""

import httpx
import pytest

from tests.functions.ai.conversations.talking import Talk, begin, words
from tests.ollama.real import MODEL
from tests.support.world import World


@pytest.fixture
def talk(over_http: httpx.Client, world: World, able: frozenset[str]) -> Talk:
    """A conversation that is brief."""
    thinking = {"think": False} if "thinking" in able else {}
    parameters = {"max_tokens": 60, "temperature": 0, **thinking}
    return begin(over_http, world.person(), MODEL, title="Test", parameters=parameters)


def test_what_is_said_is_stored_with_its_counts_and_timings(talk: Talk) -> None:
    message = talk.say("say 4")
    assert (message["state"], message["model"]) == ("done", MODEL)
    assert message["content"]
    assert message["prompt_tokens"] > 0
    assert message["completion_tokens"] > 0
    assert message["timings"]["model_ms"] > 0


def test_who_comes_back_misses_nothing(talk: Talk) -> None:
    with talk.saying("say 20 words of a story") as heard:
        first = next(heard)
        begun = [next(heard), next(heard)]
    message_id = first.data["message_id"]
    with talk.listening(message_id, begun[-1].id) as heard:
        rest = list(heard)
    assert rest[-1].kind == "done"
    assert [each.number for each in begun + rest] == list(range(1, rest[-1].number + 1))
    assert words(begun + rest) == talk.message(message_id)["content"]


def test_a_stop_keeps_what_was_said(talk: Talk) -> None:
    with talk.saying("say 2000 words of a story", parameters={"max_tokens": 4000}) as heard:
        message_id = next(heard).data["message_id"]
        next(heard)
        stopped = talk.stop(message_id)
        assert [event.data["state"] for event in heard if event.kind == "done"] == ["stopped"]
    assert stopped["state"] == "stopped"
    assert stopped["content"] or stopped["reasoning"]


def test_another_answer_is_a_branch(talk: Talk) -> None:
    first = talk.say("say 3")
    path = f"{talk.path}/messages/{first['id']}/regenerate"
    again = talk.api.post(path, json={"stream": False}, headers=talk.headers).json()
    assert again["state"] == "done"
    assert again["parent_id"] == first["parent_id"]
    assert len(talk.messages(branches=True)) == 3


def test_what_was_said_before_is_sent_along(talk: Talk) -> None:
    first = talk.say("say 3")
    second = talk.say("say 3")
    assert talk.message(second["parent_id"])["parent_id"] == first["id"]
    assert second["prompt_tokens"] >= first["prompt_tokens"]
