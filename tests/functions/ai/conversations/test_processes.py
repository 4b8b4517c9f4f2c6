"""What becomes of what a process was saying that ends: `make test-streams` runs this."""

import signal
from pathlib import Path

import httpx
import pytest

from functions.ai.sweeping import sweep
from tests.functions.ai.conversations.talking import begin, words
from tests.functions.ai.ending import served
from tests.functions.ai.limits.rules import reserved, used
from tests.support.ollama import FakeOllama
from tests.support.world import World


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_what_was_said_by_a_process_that_dies_is_kept_and_marked(
    over_http: httpx.Client, world: World, ollama: FakeOllama, tmp_path: Path, how: signal.Signals
) -> None:
    person = world.person()
    with served(tmp_path / "log", {}, 1) as process, httpx.Client(base_url=process.url, timeout=30) as api:
        talk = begin(api, person, model="endless")
        with talk.saying("go") as heard:
            message_id = next(heard).data["message_id"]
            for _ in range(900):
                last = next(heard)
            process.send(how)
            assert process.exit_code() == -how
    survivor = talk.over(over_http)
    if how == signal.SIGKILL:
        assert survivor.message(message_id)["state"] == "streaming"
        sweep()
        assert survivor.message(message_id)["state"] == "streaming", "it may only be slow"
        world.run(
            "update generations set beat_at = now() - interval '16 seconds' where message_id = :id",
            id=message_id,
        )
        sweep()
    answer = survivor.message(message_id)
    assert answer["state"] == "interrupted"
    said = answer["content"].split()
    assert said == [f"w{number}" for number in range(len(said))]
    # What the last tick had not stored is lost to a kill; one that is asked to end stores all.
    assert len(said) >= (300 if how == signal.SIGKILL else 899)
    # It counts once, with no less than what was kept.
    assert reserved(world, person.id) == 0
    ((_, requests, prompt, completion),) = used(world, person.id)
    assert (requests, prompt > 0, completion >= len(said)) == (1, True, True)
    with survivor.listening(message_id) as again:
        told = list(again)
    assert (words(told), told[-1].data["state"]) == (answer["content"], "interrupted")
    assert last.kind == "delta"
