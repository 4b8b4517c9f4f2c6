"""Waiting for a condition instead of sleeping."""

import time
from collections.abc import Callable


def eventually[T](look: Callable[[], T], seconds: float = 10.0) -> T:
    """What `look` gives once it is true; AssertionError after `seconds`."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"not within {seconds:g} s"
        time.sleep(0.02)
    return found
