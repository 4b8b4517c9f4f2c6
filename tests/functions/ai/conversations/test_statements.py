"""What streams costs the database little, and what is idle costs it nothing."""

import threading
import time

from tests.functions.ai.conversations.counting import counted, hear
from tests.functions.ai.conversations.talking import Talk
from tests.support.waiting import eventually

# A generation's start and end, with the requests for them.
OF_EACH = 12
# Two a tick, of which there are three in a second.
PER_SECOND = 8


def test_a_thousand_tokens_cost_the_database_a_few_statements_a_second(talk: Talk) -> None:
    began = time.monotonic()
    with counted() as sent:
        assert hear(talk, 1000) == 1000
    assert len(sent) <= OF_EACH + PER_SECOND * (time.monotonic() - began)


def test_an_idle_process_asks_the_database_nothing(talk: Talk) -> None:
    talk.say("say 3")
    with counted() as sent:
        eventually(lambda: _is_idle(sent), seconds=3)


def _is_idle(sent: list[str]) -> bool:
    before = len(sent)
    threading.Event().wait(0.8)
    return len(sent) == before
