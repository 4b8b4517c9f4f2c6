"""The child that only hashes: argon2 with the settings' cost, on as many threads as a process of ours.

`{"seconds"}` gives hashes per second, how many processors they had, and the length of one in milliseconds.
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from argon2.low_level import Type, hash_secret_raw

from common.settings import get_settings
from infra.bench.figures import percentile

SALT_BYTES = 16
DIGEST_BYTES = 32


def lengths(until: float) -> list[float]:
    """Hash one after the other; the seconds that each took which ended in time."""
    settings = get_settings()
    found: list[float] = []
    while True:
        started = time.perf_counter()
        hash_secret_raw(
            b"correct horse battery staple",
            os.urandom(SALT_BYTES),
            time_cost=settings.password_hash_passes,
            memory_cost=settings.password_hash_kib,
            parallelism=1,
            hash_len=DIGEST_BYTES,
            type=Type.ID,
        )
        ended = time.perf_counter()
        if ended > until:
            return found
        found.append(ended - started)


def main() -> None:
    """Answer one question."""
    seconds = json.load(sys.stdin)["seconds"]
    threads = get_settings().password_hash_concurrency
    with ThreadPoolExecutor(threads) as pool:
        until = time.perf_counter() + seconds
        found = list(pool.map(lengths, [until] * threads))
    answer = {
        "per_second": sum(len(each) / sum(each) for each in found if each),
        "processors": min(threads, os.process_cpu_count() or 1),
        "p50_ms": percentile([length for each in found for length in each], 0.5) * 1000,
    }
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
