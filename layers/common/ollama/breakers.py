"""A circuit breaker: while Ollama is away, nobody waits to hear so, and it is asked seldom until it is back.

Closed, everything passes. After FAILURES in a row it is open, and whoever asks is refused at once. Once its
pause is over it is half open: one request goes through, and its end closes it, or opens it for twice as long.
It is of one process: what another one finds, this one finds for itself. It has no timer and no task: the
clock is read when somebody asks.
"""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Final, Literal

from common import metrics
from common.errors import AppError
from common.logs import get_logger
from common.ollama.faults import ModelServerDown, ModelTooSlow
from common.settings import get_settings

log = get_logger("common.ollama")

type State = Literal["closed", "half_open", "open"]

FAILURES: Final = 5
FIRST_PAUSE_SECONDS: Final = 2.0
LONGEST_PAUSE_SECONDS: Final = 60.0
PROBE_SECONDS: Final = 15.0
"""After so long without an end of the one that went through, another may: a model may have to be loaded."""

_NUMBERS: Final[dict[State, int]] = {"closed": 0, "half_open": 1, "open": 2}


class Breaker:
    """One for all threads and event loops of the process; nothing in it ever waits."""

    def __init__(self) -> None:
        """Closed."""
        self._lock = threading.Lock()
        self._failures = 0
        self._pause = 0.0
        self._until = 0.0
        self._probed_until = 0.0

    @property
    def state(self) -> State:
        """What it is now."""
        if not self._pause:
            return "closed"
        return "open" if time.monotonic() < self._until else "half_open"

    @property
    def seconds_left(self) -> float:
        """How long it stays open; 0 where it is not."""
        return max(0.0, self._until - time.monotonic()) if self._pause else 0.0

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Around asking, up to the first that Ollama says. Raises ModelServerDown at once while it is open.

        That nobody answered (ModelServerDown) or nothing came in time (ModelTooSlow) counts against Ollama,
        and any answer of its own speaks for it, also a refusal. Who goes away before either tells nothing.
        """
        self._enter()
        try:
            yield
        except (ModelServerDown, ModelTooSlow) as error:
            self._failed(counts=getattr(error, "counts", True))
            raise
        except AppError:
            self._answered()
            raise
        except BaseException:
            self._failed(counts=False)
            raise
        else:
            self._answered()

    def reset(self) -> None:
        """Closed again, as at the start of a process: for tests."""
        self._answered()

    def _enter(self) -> None:
        now = time.monotonic()
        with self._lock:
            if not self._pause:
                return
            free_at = max(self._until, self._probed_until)
            if now >= free_at:
                self._probed_until = now + PROBE_SECONDS
                return
        # Somebody finds out, and that may take a moment or long.
        raise ModelServerDown(retry_after=math.ceil(min(free_at - now, max(self._until - now, 1.0))))

    def _answered(self) -> None:
        with self._lock:
            was_open = bool(self._pause)
            self._failures, self._pause, self._until, self._probed_until = 0, 0.0, 0.0, 0.0
        if was_open:
            log.info("ollama_is_back")

    def _failed(self, *, counts: bool) -> None:
        now = time.monotonic()
        with self._lock:
            if not counts:
                self._probed_until = 0.0
                return
            self._failures += 1
            # Those that were under way when it opened tell nothing new.
            if self._failures < FAILURES or now < self._until:
                return
            self._pause = min(self._pause * 2 or FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
            self._until, self._probed_until, pause = now + self._pause, 0.0, self._pause
        log.warning("ollama_given_up", failures=self._failures, seconds=pause)


@lru_cache(maxsize=8)
def _of(url: str) -> Breaker:
    del url  # what `lru_cache` keeps them apart by
    metrics.gauge(metrics.OLLAMA_BREAKER, lambda: float(_NUMBERS[breaker().state]))
    return Breaker()


def breaker() -> Breaker:
    """The one for OLLAMA_URL."""
    return _of(get_settings().ollama_url)
