"""Identifiers: UUIDv7, so that keys grow with time and indexes stay dense."""

import os
import time
from uuid import UUID


def made_at(text: str) -> float:
    """When a UUIDv7 was made, in Unix seconds; 0 for any other text."""
    try:
        made = UUID(text)
    except ValueError:
        return 0.0
    return (made.int >> 80) / 1000 if made.version == 7 else 0.0


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then 74 random bits.

    It tells its time of creation and its neighbours can be guessed: what must not be guessed is random.
    """
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10))
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
