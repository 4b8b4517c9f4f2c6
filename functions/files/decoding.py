"""The decoding process of this one: started when it is first needed, ended with this one."""

import atexit
import ctypes
import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from functions.files.imaging.child import Decoder

_PR_SET_DUMPABLE: Final = 4


def _hide() -> None:
    """Keep this process' environment and memory from the child, which runs as the same user (prctl(2))."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def opened(path: Path) -> BinaryIO:
    """A file that the child made, and nothing that it may have put a link to in its place. Raises OSError."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


@lru_cache(maxsize=1)
def decoder() -> "Decoder":
    """The decoder, which takes one job at a time."""
    from functions.files.imaging.child import Decoder

    _hide()
    started = Decoder()
    atexit.register(started.close)
    return started
