"""A stop works from any process within a second, and says truthfully what it came to."""

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest

from functions.ai.streaming import times
from tests.functions.ai.conversations.talking import Talk
from tests.support.ollama import FakeOllama
from tests.support.world import World


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_a_stop_ends_the_generation_within_a_second(
    endless: Talk, elsewhere: httpx.Client, ollama: FakeOllama, where: str
) -> None:
    mark = uuid4().hex
    with endless.saying(mark) as heard:
        message_id = next(heard).data["message_id"]
        next(heard)
        asked = time.monotonic()
        stopped = endless.over(endless.api if where == "here" else elsewhere).stop(message_id)
        assert ollama.asked(mark).gone.wait(1)
        assert time.monotonic() - asked < 1.5
        *_, last = heard
    assert (last.kind, last.data["state"]) == ("done", "stopped")
    assert (stopped["state"], stopped["content"][:6]) == ("stopped", "w0 w1 ")
    assert endless.message(message_id) == stopped


def test_a_stop_that_comes_too_late_says_so(talk: Talk) -> None:
    answer = talk.say("say 2")
    assert talk.stop(answer["id"])["state"] == "done"
    assert talk.stop(answer["parent_id"])["role"] == "user"


def test_stop_against_done_one_state_wins_and_all_are_told_the_same(
    talk: Talk, elsewhere: httpx.Client
) -> None:
    states = set()
    for number in range(6):
        with talk.saying(f"say {10 + number}", parent_id=None) as heard:
            message_id = next(heard).data["message_id"]
            for _ in range(8):
                next(heard)
            with ThreadPoolExecutor(2) as threads:
                apis = (talk.api, elsewhere)
                stops = [threads.submit(talk.over(api).stop, message_id) for api in apis]
                *_, last = heard
            told = {stop.result()["state"] for stop in stops}
        told |= {last.data["state"], talk.message(message_id)["state"]}
        assert len(told) == 1
        states |= told
        said = talk.message(message_id)["content"].split()
        assert said == [f"w{each}" for each in range(len(said))]
    assert states <= {"done", "stopped"}


def test_a_stop_before_the_first_token_counts(talk: Talk, ollama: FakeOllama) -> None:
    mark = uuid4().hex
    with talk.saying(mark, model="silent") as heard:
        message_id = next(heard).data["message_id"]
        assert talk.stop(message_id)["state"] == "stopped"
        [last] = heard
    assert last.data["state"] == "stopped"
    assert talk.message(message_id)["content"] == ""


def test_where_its_process_is_gone_a_stop_does_not_wait_for_ever(
    endless: Talk, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(times, "STOP", 0.2)
    answer = endless.say("say 1", model="tiny")
    world.run("update messages set state = 'streaming' where id = :id", id=answer["id"])
    world.run("update generations set ended_at = null where message_id = :id", id=answer["id"])
    assert endless.stop(answer["id"])["state"] == "streaming"


def test_nobody_else_can_stop_it(endless: Talk, world: World, over_http: httpx.Client) -> None:
    with endless.saying("go") as heard:
        message_id = next(heard).data["message_id"]
        stranger = world.person()
        path = f"{endless.path}/messages/{message_id}"
        for method, end in (("POST", "/stop"), ("GET", "/events"), ("GET", "")):
            refused = over_http.request(method, path + end, headers=stranger.headers)
            assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
        next(heard)
        assert endless.stop(message_id)["state"] == "stopped"
