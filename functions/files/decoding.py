"""The decoding process of this one: started when it is first needed, ended with this one."""

import atexit
from functools import lru_cache

from functions.files.imaging.child import Decoder


@lru_cache(maxsize=1)
def decoder() -> Decoder:
    """The decoder, which takes one job at a time."""
    started = Decoder()
    atexit.register(started.close)
    return started
