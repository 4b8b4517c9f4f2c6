"""What becomes of what a process was saying that ends: `make test-streams` runs this."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from functions.ai.sweeping import sweep
from tests.functions.ai.conversations.talking import begin, words
from tests.functions.ai.limits.rules import reserved, used
from tests.support.ollama import FakeOllama
from tests.support.world import World


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_what_was_said_by_a_process_that_dies_is_kept_and_marked(
    over_http: httpx.Client, world: World, ollama: FakeOllama, how: signal.Signals
) -> None:
    person = world.person()
    with _server() as (process, url), httpx.Client(base_url=url, timeout=30) as api:
        talk = begin(api, person, model="endless")
        with talk.saying("go") as heard:
            message_id = next(heard).data["message_id"]
            for _ in range(900):
                last = next(heard)
            process.send_signal(how)
            assert process.wait(20) is not None
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


@contextmanager
def _server() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A container's server in a process of its own."""
    command = [sys.executable, "-m", "tests.functions.ai.conversations.serving"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert url.startswith("http://")
            yield process, url
        finally:
            process.kill()
