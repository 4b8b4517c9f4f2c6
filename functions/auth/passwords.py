"""Passwords: normalised, bounded, hashed with argon2id, a few at a time."""

import asyncio
import os
import sys
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property, lru_cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from common import metrics
from common.errors import Unavailable
from common.settings import get_settings

MAX_BYTES: Final = 1024
_WAIT_SECONDS: Final = 10.0
_QUEUE: Final = 64
_NICE: Final = 5


def normalise_password(text: str) -> str:
    """NFKC, so that the same keys give the same bytes on every device. Raises ValueError with a sentence."""
    normal = unicodedata.normalize("NFKC", text)
    shortest = get_settings().password_min_length
    if len(normal) < shortest:
        raise ValueError(f"The password needs at least {shortest} characters.")
    if len(normal.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise ValueError(f"The password is longer than {MAX_BYTES} bytes.")
    return normal


def _give_way() -> None:
    """Lower this thread's priority: a hash lasts long, and who waits for one can wait a little longer.

    Else a request that needs a millisecond of a busy processor first waits for a hash to use up its turn. A
    third of the weight of the other threads is left: sign-ins go on while those are busy.
    """
    # Elsewhere the priority is the whole process's.
    if sys.platform == "linux":
        with suppress(OSError):
            os.nice(_NICE)


class Passwords:
    """The hasher of this process. Each hash takes PASSWORD_HASH_KIB of memory and about a core's time."""

    def __init__(self) -> None:
        """Threads are made on first use."""
        settings = get_settings()
        self._hasher = PasswordHasher(
            time_cost=settings.password_hash_passes, memory_cost=settings.password_hash_kib, parallelism=1
        )
        self._threads = ThreadPoolExecutor(
            settings.password_hash_concurrency, thread_name_prefix="argon2", initializer=_give_way
        )
        self._waiting = 0

    @cached_property
    def _decoy(self) -> str:
        # What an unknown address is verified against, so that it costs what a known one costs. Made without
        # hashing, or the first refusal of a process would take twice the time.
        salt, digest = (b64encode(os.urandom(size)).rstrip(b"=").decode() for size in (16, 32))
        cost = f"m={self._hasher.memory_cost},t={self._hasher.time_cost},p={self._hasher.parallelism}"
        return f"$argon2id$v=19${cost}${salt}${digest}"

    async def hash(self, password: str) -> str:
        """The argon2id hash, in PHC string format. Raises Unavailable when too many wait."""
        return await self._run(self._hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` is the one of `stored`; None costs the same and is never right."""
        return await self._run(self._verify, stored, password)

    def is_outdated(self, stored: str) -> bool:
        """Whether `stored` was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _hash(self, password: str) -> str:
        return self._hasher.hash(password.encode("utf-8", "surrogatepass"))

    def _verify(self, stored: str | None, password: str) -> bool:
        normal = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
        try:
            return self._hasher.verify(stored or self._decoy, normal) and stored is not None
        except (VerificationError, InvalidHashError):
            return False

    async def _run[*Arguments, T](self, work: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
        if self._waiting >= _QUEUE:
            raise Unavailable("Too many sign-ins at this moment: try again shortly.", retry_after=2)
        self._waiting += 1
        # Here and not beside the hash: a lock that is held at a low priority would hold up all who count.
        metrics.count(metrics.PASSWORD_HASHES)
        try:
            future = asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
            return await asyncio.wait_for(future, _WAIT_SECONDS)
        except TimeoutError:
            raise Unavailable("Too many sign-ins at this moment: try again shortly.", retry_after=5) from None
        finally:
            self._waiting -= 1


@lru_cache(maxsize=1)
def get_passwords() -> Passwords:
    """The hasher of this process."""
    return Passwords()
