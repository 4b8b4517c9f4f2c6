"""Identifiers: UUIDv7, so that keys grow with time and indexes stay dense."""

import os
import threading
import time
from typing import Final
from uuid import UUID


def made_at(text: str) -> float:
    """When a UUIDv7 was made, in Unix seconds; 0 for any other text."""
    try:
        made = UUID(text)
    except ValueError:
        return 0.0
    return (made.int >> 80) / 1000 if made.version == 7 else 0.0


class _Latest:
    """The greatest of what this process made: 48 bits of Unix milliseconds, then 74 that are random."""

    def __init__(self) -> None:
        self._value = 0
        self._lock = threading.Lock()

    def next(self) -> int:
        """A greater one: of now, or a random step beyond the latest where that is of now or of later."""
        now = (time.time_ns() // 1_000_000 & 0xFFFF_FFFF_FFFF) << 74
        random = int.from_bytes(os.urandom(10)) >> 6
        with self._lock:
            # A thousand steps of 64 bits fit into a millisecond, and none of them tells the next.
            self._value = now | random if now > self._value else self._value + (random >> 10) + 1
            return self._value


_latest: Final = _Latest()


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then 74 random bits.

    Of one process each is greater than those before (section 6.2, method 2), whatever its clock does: what is
    made together is in order. It tells its time of creation: what must not be guessed is random.
    """
    value = _latest.next()
    time_and_a, b = value >> 62, value & (1 << 62) - 1
    milliseconds, a = time_and_a >> 12, time_and_a & 0xFFF
    return UUID(int=milliseconds << 80 | 0x7 << 76 | a << 64 | 0x2 << 62 | b)
