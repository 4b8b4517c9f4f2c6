import asyncio
import os
import sys
import threading

import pytest

from common.errors import Unavailable
from functions.auth import passwords
from functions.auth.passwords import Passwords


def test_no_more_hashes_run_at_a_time_than_the_setting_says(monkeypatch: pytest.MonkeyPatch) -> None:
    running: list[int] = []
    most: list[int] = []
    both = threading.Barrier(2)
    subject = Passwords()

    def hash_slowly(_: str) -> str:
        running.append(1)
        most.append(len(running))
        both.wait(20)
        running.pop()
        return ""

    monkeypatch.setattr(subject, "_hash", hash_slowly)

    async def six() -> None:
        await asyncio.gather(*(subject.hash("a password") for _ in range(6)))

    asyncio.run(six())
    assert max(most) == 2


def test_when_too_many_wait_the_next_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_QUEUE", 0)
    with pytest.raises(Unavailable):
        asyncio.run(Passwords().hash("a password"))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no priority of its own")
def test_hashes_give_way_to_other_requests_and_nothing_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = Passwords()
    monkeypatch.setattr(subject, "_hash", lambda _: str(own_niceness()))
    before = own_niceness()
    assert int(asyncio.run(subject.hash("a password"))) > before
    assert own_niceness() == before


def own_niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_a_stored_hash_that_is_damaged_is_just_wrong() -> None:
    assert asyncio.run(Passwords().verify("$argon2id$nonsense", "a password")) is False
