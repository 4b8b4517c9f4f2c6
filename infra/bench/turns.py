"""The child that asks two things in turns: one request at a time, over connections that are kept alive.

It reads the question

    {"rounds", "calls", "pairs": [[{"port", "path", "token", "follow"}, {…}], …]}

and answers `{"pairs": [[{"p50_ms": […], "p95_ms": […]}, {…}], …], "errors": {…}}`, a value a round. What
else runs on the machine disturbs both of a pair alike, as each is first in every second turn. Where `follow`
is set, the time is until the bytes are here to which the answer leads.
"""

import http.client
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from infra.bench.figures import percentile
from infra.local.ports import LOOPBACK

PATIENCE = 60.0  # seconds for an answer
ACCEPT = "image/webp,application/json;q=0.9"

type Asked = dict[str, Any]


class Asker:
    """One client with a connection to each port."""

    def __init__(self) -> None:
        self.errors: Counter[str] = Counter()
        self._connections: dict[int, http.client.HTTPConnection] = {}

    def ask(self, asked: Asked) -> float:
        """Milliseconds until all of the answer is here."""
        headers = {"Accept": ACCEPT}
        if asked["token"]:
            headers["Authorization"] = f"Bearer {asked['token']}"
        started = time.perf_counter()
        status, location = self._get(asked["port"], asked["path"], headers)
        if asked["follow"] and status == 302:
            target = urlsplit(location)
            status, _ = self._get(target.port or 80, f"{target.path}?{target.query}", {})
        took = (time.perf_counter() - started) * 1000
        wanted = (200,) if asked["follow"] else (200, 302)
        if status not in wanted:
            self.errors[f"status {status} of {asked['path'].partition('?')[0]}"] += 1
        return took

    def _get(self, port: int, path: str, headers: dict[str, str]) -> tuple[int, str]:
        connection = self._connections.get(port)
        if connection is None:
            connection = http.client.HTTPConnection(LOOPBACK, port, timeout=PATIENCE)
            self._connections[port] = connection
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers.get("Location", "")


def turns(asker: Asker, pair: Sequence[Asked], calls: int) -> list[list[float]]:
    """What each of the two took, call by call."""
    took: list[list[float]] = [[], []]
    for number in range(calls):
        for side in (0, 1) if number % 2 else (1, 0):
            took[side].append(asker.ask(pair[side]))
    return took


def main() -> None:
    """Answer one question."""
    question = json.load(sys.stdin)
    asker = Asker()
    pairs = question["pairs"]
    found: list[list[dict[str, list[float]]]] = [
        [{"p50_ms": [], "p95_ms": []} for _ in pair] for pair in pairs
    ]
    for pair in pairs:
        turns(asker, pair, min(2, question["calls"]))  # caches filled, connections made
    for _ in range(question["rounds"]):
        for pair, sides in zip(pairs, found, strict=True):
            for side, took in zip(sides, turns(asker, pair, question["calls"]), strict=True):
                side["p50_ms"].append(percentile(took, 0.5))
                side["p95_ms"].append(percentile(took, 0.95))
    json.dump({"pairs": found, "errors": dict(asker.errors)}, sys.stdout)


if __name__ == "__main__":
    main()
