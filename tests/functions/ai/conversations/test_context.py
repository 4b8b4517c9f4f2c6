"""What a model is sent has room in its context, and what was left out is said."""

from uuid import uuid4

import httpx
import pytest

from tests.functions.ai.conversations.talking import Talk, begin
from tests.support.fixtures import SettingsChange
from tests.support.jobs import run_jobs
from tests.support.ollama import FakeOllama
from tests.support.world import World

PADDING = "so it was said once more " * 16  # 100 tokens


@pytest.fixture
def small(asgi: httpx.Client, world: World, ollama: FakeOllama, settings: SettingsChange) -> Talk:
    """A conversation with a model that sees 1024 tokens; 256 of them are its answer's."""
    settings(OLLAMA_NUM_CTX="1024")
    return begin(asgi, world.person(), system="Be brief.", title="Long")


def _sent(ollama: FakeOllama, mark: str) -> list[dict[str, str]]:
    sent: list[dict[str, str]] = ollama.asked(mark).body["messages"]
    return sent


def _summaries(world: World, talk: Talk) -> list[str]:
    return [
        row.content
        for row in world.rows(
            "select s.content from conversation_summaries s join messages m on m.id = s.message_id"
            " where m.conversation_id = :id",
            id=talk.id,
        )
    ]


def test_what_fits_is_sent_whole(small: Talk, ollama: FakeOllama) -> None:
    mark = uuid4().hex
    small.say("say 2")
    small.say(f"{mark} say 1")
    assert [(each["role"], each["content"]) for each in _sent(ollama, mark)] == [
        ("system", "Be brief."),
        ("user", "say 2"),
        ("assistant", "w0 w1 "),
        ("user", f"{mark} say 1"),
    ]


def test_the_context_s_size_is_always_sent(small: Talk, ollama: FakeOllama) -> None:
    mark = uuid4().hex
    small.say(mark)
    assert ollama.asked(mark).body["options"]["num_ctx"] == 1024


def test_where_it_has_no_room_the_middle_is_left_out_and_then_a_summary_stands_for_it(
    small: Talk, ollama: FakeOllama, world: World
) -> None:
    run_jobs("ai")
    for number in range(10):
        answer = small.say(f"m{number} {PADDING} say 1")
    assert answer["left_out"] > 0
    mark = uuid4().hex
    before = small.say(f"{mark} say 1")
    sent = _sent(ollama, mark)
    assert (sent[0]["content"], sent[1]["role"]) == ("Be brief.", "user")
    assert len(sent) - 2 + before["left_out"] == 20
    assert sent[-1]["content"] == f"{mark} say 1"
    assert sent[-3]["content"].startswith("m9 ")

    assert run_jobs("ai") > 0
    assert _summaries(world, small)
    mark = uuid4().hex
    after = small.say(f"{mark} say 1")
    sent = _sent(ollama, mark)
    assert [each["role"] for each in sent[:3]] == ["system", "system", "user"]
    assert "w0 w1 w2" in sent[1]["content"], "the model's summary"
    assert after["left_out"] < before["left_out"]


@pytest.mark.parametrize("letter", ["я", "漢"])
def test_of_what_is_longer_than_a_model_sees_as_much_is_summarised_as_it_does(
    small: Talk, ollama: FakeOllama, letter: str
) -> None:
    run_jobs("ai")
    ollama.calls.clear()
    small.say(letter * 2000 + " say 1")
    for number in range(3):
        small.say(f"p{number} {PADDING} say 1")
        run_jobs("ai")
    asked = [call.prompt for call in ollama.calls if "Summarise" in call.prompt]
    said = asked[0].partition("\n\n---\n")[0]
    assert said.startswith(f"user: {letter}")
    assert 1500 < len(said.encode()) <= 1536, "3 bytes for each of 512 tokens"


def test_a_summary_is_there_before_it_is_needed(small: Talk, ollama: FakeOllama, world: World) -> None:
    answers = []
    for number in range(16):
        answers.append(small.say(f"n{number} {PADDING} say 1"))
        run_jobs("ai")
    assert _summaries(world, small)
    assert [answer["left_out"] for answer in answers] == [0] * 16


def test_a_message_that_alone_is_too_long_is_sent_and_marked(small: Talk) -> None:
    answer = small.say("word " * 4000)
    assert (answer["state"], answer["left_out"]) == ("done", 0)
    assert answer["truncated"], "the model counted 7 tokens of 5,000"


def test_a_branch_has_the_summary_of_its_own_past(small: Talk, world: World, ollama: FakeOllama) -> None:
    for number in range(9):
        small.say(f"o{number} {PADDING} say 1")
    run_jobs("ai")
    assert _summaries(world, small)
    mark = uuid4().hex
    small.say(f"{mark} say 1", parent_id=None)
    assert [each["role"] for each in _sent(ollama, mark)] == ["system", "user"]
