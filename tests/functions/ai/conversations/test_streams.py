"""An answer streams, is stored, and can be heard again."""

import asyncio
import json
import time
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from uuid import UUID, uuid4

import httpx
import pytest

from common.context import RequestContext, enter_context
from common.database import get_database
from common.principals import Principal
from functions.ai import generation
from functions.ai.following import MOST_LISTENERS, heard
from functions.ai.repository import messages
from functions.ai.schemas.conversations import Started
from functions.ai.streaming import times
from functions.ai.streaming.events import Told, ending
from functions.ai.streaming.feed import Feed
from functions.ai.sweeping import sweep
from tests.functions.ai.conversations.talking import Talk, begin, events, words
from tests.support.ollama import FakeOllama
from tests.support.waiting import eventually
from tests.support.world import World


def test_an_answer_streams_and_is_stored(everywhere: httpx.Client, world: World, ollama: FakeOllama) -> None:
    talk = begin(everywhere, world.person())
    with talk.saying("say 3") as heard:
        told = list(heard)
    assert [event.kind for event in told] == ["message", "delta", "delta", "delta", "usage", "done"]
    message_id = told[0].data["message_id"]
    assert [event.id for event in told] == [f"{message_id}:{number}" for number in range(6)]
    assert words(told) == "w0 w1 w2 "
    assert told[-1].data["state"] == "done"
    question, answer = talk.messages()
    assert (question["role"], question["content"], question["state"]) == ("user", "say 3", "done")
    assert (answer["id"], answer["content"], answer["state"]) == (message_id, "w0 w1 w2 ", "done")
    assert answer["parent_id"] == question["id"] == told[0].data["parent_id"]
    assert (answer["prompt_tokens"], answer["completion_tokens"]) == (7, 3)
    assert answer["timings"]["first_token_ms"] <= answer["timings"]["total_ms"]
    assert talk.read()["leaf_id"] == message_id


def test_a_message_has_no_more_listeners_than_a_person_has_windows(endless: Talk) -> None:
    with ExitStack() as opened, endless.saying("go") as heard:
        message_id = next(heard).data["message_id"]
        listening = partial(
            endless.api.stream, "GET", f"{endless.path}/messages/{message_id}/events", headers=endless.headers
        )
        next(heard)
        others = [events(opened.enter_context(listening()).iter_lines()) for _ in range(MOST_LISTENERS - 1)]
        for other in others:
            # Who got something that was said does listen.
            assert [next(other).kind, next(other).kind] == ["message", "delta"]
        with listening() as refused:
            assert refused.status_code == 429
            assert json.loads(refused.read())["code"] == "too_many_listeners"
        assert endless.stop(message_id)["state"] == "stopped"


def test_who_says_the_same_again_is_a_listener_like_others(endless: Talk) -> None:
    headers = endless.headers | {"Idempotency-Key": uuid4().hex}

    def saying() -> AbstractContextManager[httpx.Response]:
        body = {"content": "go"}
        return endless.api.stream("POST", f"{endless.path}/messages", json=body, headers=headers)

    with ExitStack() as opened:
        listeners = [events(opened.enter_context(saying()).iter_lines()) for _ in range(MOST_LISTENERS)]
        for heard in listeners:
            message_id = next(heard).data["message_id"]
            assert next(heard).kind == "delta"
        with saying() as refused:
            assert refused.status_code == 429
            assert json.loads(refused.read())["code"] == "too_many_listeners"
        assert endless.stop(message_id)["state"] == "stopped"


def test_who_reads_so_slowly_that_the_events_are_gone_gets_the_whole_text(talk: Talk, world: World) -> None:
    """Of a stream that this process has no more of, either: only its end."""
    answer = talk.say("say 3")
    world.run("delete from generation_parts where message_id = :id", id=answer["id"])
    user = Principal(talk.person.id, None, frozenset(), 0.0)
    started = Started(
        conversation_id=talk.id, parent_id=answer["parent_id"], message_id=answer["id"], model="tiny"
    )

    async def read() -> list[Told]:
        row = get_database("ai").reading(
            lambda connection: messages.read(connection, talk.person.id, UUID(talk.id), UUID(answer["id"]))
        )
        feed = Feed(UUID(answer["id"]), first=3)
        assert row is not None
        feed.end(ending(row))
        enter_context(RequestContext(function="ai"))
        return [told async for some in heard(user, started, feed, 1) for told in some]

    told = asyncio.run(read())
    assert [(each.number, each.kind) for each in told] == [(3, "snapshot"), (4, "usage"), (5, "done")]
    assert told[0].data["content"] == "w0 w1 w2 "


def test_an_answer_comes_whole_where_that_is_asked_for(
    everywhere: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    talk = begin(everywhere, world.person())
    whole = talk.say("say 2")
    assert (whole["content"], whole["state"], whole["finish_reason"]) == ("w0 w1 ", "done", "stop")
    by_header = everywhere.post(
        f"{talk.path}/messages",
        json={"content": "say 1"},
        headers=talk.headers | {"Accept": "application/json"},
    )
    assert by_header.json()["content"] == "w0 "


def test_where_nothing_can_be_streamed_a_header_says_so(
    function_urls: httpx.Client, over_http: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    talk = begin(function_urls, world.person())
    for api, told in ((function_urls, "buffered"), (over_http, None)):
        answer = api.post(f"{talk.path}/messages", json={"content": "say 2"}, headers=talk.headers)
        assert answer.headers.get("x-lambkin-stream") == told
        assert words(events(answer.text.splitlines())) == "w0 w1 "


def test_tokens_come_one_by_one(talk: Talk, ollama: FakeOllama) -> None:
    mark = uuid4().hex
    with talk.saying(f"{mark} say 300") as heard:
        assert [next(heard).kind, next(heard).kind] == ["message", "delta"]
        assert ollama.asked(mark).said < 300, "the first was here before the last was said"
        assert len(list(heard)) == 299 + 2


def test_who_comes_back_misses_nothing_and_hears_nothing_twice(talk: Talk, elsewhere: httpx.Client) -> None:
    with talk.saying("say 500") as heard:
        first = [next(heard) for _ in range(20)]
    message_id, last = first[0].data["message_id"], first[-1].id
    rests = []
    for api in (talk.api, elsewhere):
        with talk.over(api).listening(message_id, last) as heard:
            rests.append(list(heard))
    assert rests[0] == rests[1]
    assert words(first) + words(rests[0]) == "".join(f"w{number} " for number in range(500))
    numbers = [event.number for event in first + rests[0]]
    assert numbers == list(range(500 + 3))
    assert rests[0][-1].kind == "done"


def test_who_hears_it_elsewhere_hears_it_while_it_is_generated(
    endless: Talk, elsewhere: httpx.Client, hasty: None
) -> None:
    with endless.saying("go") as here:
        message_id = next(here).data["message_id"]
        with endless.over(elsewhere).listening(message_id) as there:
            heard = [next(there) for _ in range(100)]
            assert [event.number for event in heard] == list(range(100))
        with endless.over(elsewhere).listening(message_id, heard[-1].id) as there:
            assert next(there).number == 100
        endless.stop(message_id)


def test_the_id_may_come_as_a_query_for_what_can_set_no_header(talk: Talk) -> None:
    answer = talk.say("say 5")
    heard = talk.api.get(
        f"{talk.path}/messages/{answer['id']}/events",
        params={"last_event_id": f"{answer['id']}:3"},
        headers=talk.headers,
    )
    assert [event.number for event in events(heard.text.splitlines())] == [4, 5, 6, 7]


def test_who_has_read_the_last_event_is_told_to_stay_away(talk: Talk) -> None:
    answer = talk.say("say 2")
    path = f"{talk.path}/messages/{answer['id']}/events"
    again = talk.api.get(path, headers=talk.headers | {"Last-Event-ID": f"{answer['id']}:4"})
    assert (again.status_code, again.content) == (204, b"")


@pytest.mark.parametrize("last", ["nonsense", f"{UUID(int=7)}:3", "{id}:-1", "{id}:9999999999"])
def test_an_id_of_another_stream_is_refused(talk: Talk, last: str) -> None:
    answer = talk.say("say 2")
    path = f"{talk.path}/messages/{answer['id']}/events"
    refused = talk.api.get(path, headers=talk.headers | {"Last-Event-ID": last.format(id=answer["id"])})
    assert (refused.status_code, refused.json()["code"]) == (400, "broken_event_id")


def test_later_there_is_the_whole_text_as_one_event(talk: Talk, world: World) -> None:
    answer = talk.say("say 3")
    world.run(
        "update generations set (beat_at, ended_at) = (now() - interval '61 s', now() - interval '61 s')"
        " where message_id = :id",
        id=answer["id"],
    )
    sweep()
    assert world.scalar("select count(*) from generations where message_id = :id", id=answer["id"]) == 0
    with talk.listening(answer["id"], f"{answer['id']}:1") as heard:
        snapshot, usage, done = heard
    assert (snapshot.kind, snapshot.data) == ("snapshot", {"content": "w0 w1 w2 ", "reasoning": ""})
    assert (usage.kind, done.kind, done.number) == ("usage", "done", 5)


def test_who_listens_long_hears_that_the_model_is_at_work(
    talk: Talk, ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(times, "QUIET", 0.05)
    body = {"content": "say 2", "model": "loading"}
    with talk.api.stream("POST", f"{talk.path}/messages", json=body, headers=talk.headers) as answer:
        lines = answer.iter_lines()
        comments = [next(line for line in lines if line.startswith(":")) for _ in range(3)]
        assert len(comments) == 3
        ollama.loaded.set()
        assert words(events(lines)) == "w0 w1 "


def test_nobody_listening_ends_it_and_closes_the_model_s_connection(
    endless: Talk, ollama: FakeOllama, hasty: None
) -> None:
    mark = uuid4().hex
    with endless.saying(mark) as heard:
        message_id = next(heard).data["message_id"]
        next(heard)
    assert ollama.asked(mark).gone.wait(5)
    answer = eventually(lambda: (m := endless.message(message_id))["state"] == "abandoned" and m)
    assert answer
    assert answer["content"].startswith("w0 w1 ")


def test_who_listens_elsewhere_keeps_it_going(endless: Talk, elsewhere: httpx.Client, hasty: None) -> None:
    with endless.saying("go") as heard:
        message_id = next(heard).data["message_id"]
    with endless.over(elsewhere).listening(message_id) as there:
        began = time.monotonic()
        while time.monotonic() < began + 1.2:
            assert next(there).kind in ("message", "delta")
    assert eventually(lambda: endless.message(message_id)["state"] == "abandoned")


def test_what_was_said_before_a_fault_is_kept_and_marked(talk: Talk) -> None:
    with talk.saying("say 9", model="error-line") as heard:
        told = list(heard)
    assert words(told) == "w0 w1 "
    assert (told[-1].kind, told[-1].data["code"], told[-1].data["status"]) == ("problem", "model_failed", 502)
    answer = talk.message(told[0].data["message_id"])
    assert (answer["state"], answer["content"]) == ("failed", "w0 w1 ")
    assert answer["problem"]["code"] == "model_failed"
    with talk.listening(answer["id"]) as again:
        assert list(again) == told
    assert talk.say("say 1")["state"] == "done", "one may go on after it"


@pytest.mark.parametrize(
    ("model", "code"),
    [("nobody", "model_not_found"), ("busy", "model_server_busy"), ("shapeless", "model_failed")],
)
def test_each_fault_has_its_code(talk: Talk, model: str, code: str) -> None:
    answer = talk.say("say 9", model=model)
    assert (answer["state"], answer["problem"]["code"]) == ("failed", code)


def test_a_model_may_say_what_no_database_takes(talk: Talk, world: World) -> None:
    with talk.saying("say 3", model="odd-words") as heard:
        told = list(heard)
    assert told[-1].data["state"] == "done"
    assert talk.message(told[0].data["message_id"])["content"] == words(told)
    assert "\ufffd" in words(told)


def test_what_a_process_left_is_marked_and_keeps_what_was_stored(talk: Talk, world: World) -> None:
    answer = talk.say("say 40")
    as_left = {"id": answer["id"]}
    world.run(
        "update messages set state = 'streaming', content = '', last_event = null, prompt_tokens = null,"
        " finished_at = null where id = :id",
        **as_left,
    )
    world.run(
        "update generations set ended_at = null, beat_at = now() - interval '14 s' where message_id = :id",
        **as_left,
    )
    sweep()
    assert talk.message(answer["id"])["state"] == "streaming", "it may only be slow"
    with talk.listening(answer["id"], f"{answer['id']}:30") as heard:
        assert next(heard).number == 31
        world.run(
            "update generations set beat_at = now() - interval '16 seconds' where message_id = :id", **as_left
        )
        sweep()
        *rest, last = heard
    assert (last.number, last.data["state"]) == (41, "interrupted")
    assert len(rest) == 9
    assert talk.message(answer["id"])["content"] == answer["content"]
    # Who heard more than was stored before its process died hears how it ended, and what there is.
    with talk.listening(answer["id"], f"{answer['id']}:60") as heard:
        whole, last = heard
    assert (whole.kind, whole.data["content"], last.data["state"]) == (
        "snapshot",
        answer["content"],
        "interrupted",
    )
    sweep()
    assert talk.say("say 1")["state"] == "done"


def test_what_a_model_thinks_before_it_answers_is_kept_apart(talk: Talk) -> None:
    with talk.saying("say 2", parameters={"think": True}) as heard:
        told = list(heard)
    thought = "".join(event.data["content"] for event in told if event.kind == "reasoning")
    assert thought
    answer = talk.message(told[0].data["message_id"])
    assert (answer["reasoning"], answer["content"]) == (thought, words(told))
    with talk.listening(answer["id"]) as again:
        assert list(again) == told


def test_one_that_cannot_be_stored_keeps_no_other_from_it(
    talk: Talk, over_http: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if something had been forgotten that Postgres refuses.
    monkeypatch.setattr(generation, "storable", lambda text: text)
    other = begin(over_http, world.person())
    with other.saying("say 900") as heard, talk.saying("say 9", model="odd-words") as odd:
        next(heard)
        *_, told = odd
        assert (told.kind, told.data["code"]) == ("problem", "internal")
        *_, last = heard
    assert last.data["state"] == "done"
    assert len(other.messages()[-1]["content"].split()) == 900
