"""Answers streamed through `ai`, beside the same server of models asked straight."""

import http.client
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from infra.bench import hanging, model_calls
from infra.bench.figures import Figure, Result, middle
from infra.bench.model_calls import CHAT, NAMES, STRAIGHT, TALK
from infra.bench.operations import PATIENCE, ratio
from infra.bench.rig import Rig
from infra.local.ports import LOOPBACK, free_port

MOST_BEYOND_MS = 5.0
LEAST_SHARE = 0.97
# By streams: tokens per second of each, together what one large machine says; rounds, and seconds of each.
PACES = {1: (100, 2, 1.0), 20: (40, 2, 1.0), 200: (10, 1, 2.0)}
QUICK = {1: (100, 1, 0.1), 2: (100, 1, 0.1)}
FIRST_TOKENS = 2  # the second only so that the first is not sent with the end
UNCOUNTED = 2  # httpx imported, pools connected
ROUNDS = 60
IN_A_ROUND = 6
PAUSE = 0.01
RUSH_TOKENS = 2000
ENDLESS = 100_000

type Found = dict[str, Any]


@dataclass(frozen=True)
class Requests:
    """So many at once, for answers of so many tokens, of which `pace` come in a second; 0 is no pace."""

    streams: int
    pace: int
    tokens: int


@dataclass(frozen=True)
class Bench:
    """The servers, and who asks them; each way has a process to itself, as memory is measured."""

    rig: Rig
    accounts: Sequence[dict[str, str]]
    ports: dict[str, int]
    others: dict[str, hanging.Ports]
    conversations: Sequence[str]

    def ask(self, requests: Requests, rounds: int, seconds: float = 0.0) -> Found:
        """What the child finds."""
        return self._found(requests, rounds, seconds, watched=True)

    def ask_for_first_tokens(self, requests: Requests, rounds: int) -> Found:
        """The same, and its statements alone; nothing is asked beside it."""
        return self._found(requests, rounds, 0.0, watched=False)

    def _found(self, requests: Requests, rounds: int, seconds: float, *, watched: bool) -> Found:
        asked = {
            way: {
                "port": self.ports[way],
                "watched": watched and way != STRAIGHT,
                "requests": [self._request(way, number, requests) for number in range(requests.streams)],
            }
            for way in (STRAIGHT, *NAMES)
        }
        question = {
            "rounds": rounds,
            "seconds": seconds,
            "pause": 0.0 if watched else PAUSE,
            "model": self.ports[STRAIGHT],
            "own": None if watched else {"port": self.ports[CHAT], "account": self.accounts[0]["id"]},
            "ways": asked,
        }
        found: Found = self.rig.ask("streams", question, patience=2 * PATIENCE)
        return found

    def _request(self, way: str, number: int, requests: Requests) -> str:
        model, tokens = f"at-{requests.pace}", requests.tokens
        if way == STRAIGHT:
            return model_calls.straight(model, tokens=tokens)
        key = self.accounts[number % len(self.accounts)]["key"]
        if way == CHAT:
            return model_calls.chat(model, key, tokens=tokens)
        return model_calls.talk(model, key, self.conversations[number], tokens=tokens)


def measure(
    rig: Rig,
    accounts: Sequence[dict[str, str]],
    *,
    quick: bool,
    progress: Callable[[str], None],
) -> Iterator[Result]:
    """First tokens and the pace of several numbers of streams, each way in turns; then what hangs."""
    progress("starting a server of models, and uvicorn for ai, users, and all functions together")
    paces = QUICK if quick else PACES
    bench = _start(rig, accounts, max(paces), is_shared=quick)
    figures, shares = list(_first(bench, 1 if quick else ROUNDS, progress)), []
    for streams, (pace, rounds, seconds) in paces.items():
        progress(f"{_streams(streams)} of {pace} tokens a second")
        found = bench.ask(Requests(streams, pace, ENDLESS), rounds, seconds)["ways"]
        shares += [run["client_share"] for runs in found.values() for run in runs]
        for way in NAMES:
            figures += _paced(way, streams, found)
    progress("one stream as fast as it can be")
    found = bench.ask(Requests(1, 0, RUSH_TOKENS), 1 if quick else 3)["ways"]
    for way, name in NAMES.items():
        rate = middle(_values(found, way, "rate"))
        figures.append(Figure(f"{name}, without a pace", "tokens", "1/s", rate))
    yield Result("Answers of models", figures, columns=("ours", "straight"), notes=_notes(max(shares)))
    progress("other requests, while calls of models hang")
    yield hanging.measure(rig, accounts, bench.others, bench.ports[STRAIGHT], quick=quick)


def _start(rig: Rig, accounts: Sequence[dict[str, str]], most: int, *, is_shared: bool) -> Bench:
    """Where it is shared, one process is all of them."""
    port = free_port()
    command = [sys.executable, "-m", "infra.bench.paced", str(port)]
    rig.start("paced", command, rig.environment, lambda: _status(port) is not None)
    served = rig.having(OLLAMA_URL=f"http://{LOOPBACK}:{port}")
    own = ["infra.bench.watched:app", "infra.bench.watched:app", "functions.users.app:app"]
    laptop, *others = served.serve_all("infra.bench.laptop:app", *([] if is_shared else own))
    chat, talk, users = others or [laptop] * len(own)
    keys = [accounts[number % len(accounts)]["key"] for number in range(most)]
    return Bench(
        rig,
        accounts,
        {STRAIGHT: port, CHAT: chat, TALK: talk},
        {hanging.TOGETHER: (laptop, laptop), hanging.APART: (users, chat)},
        [model_calls.begin(talk, key) for key in keys],
    )


def _first(bench: Bench, rounds: int, progress: Callable[[str], None]) -> Iterator[Figure]:
    progress("first tokens")
    found = bench.ask_for_first_tokens(Requests(1, 100, FIRST_TOKENS), UNCOUNTED + rounds)
    own, straight = _quietest(found["own_ms"]), _quietest(_values(found["ways"], STRAIGHT, "first_ms"))
    for way, name in NAMES.items():
        group, ours = f"{name}, the first token", _quietest(_values(found["ways"], way, "first_ms"))
        yield Figure(group, "first token", "ms", ours, straight)
        if way == CHAT:
            beyond = ours - straight - own
            yield Figure(group, "its statements alone", "ms", own)
            yield Figure(group, "ours - straight - statements", "ms", beyond, None, beyond, MOST_BEYOND_MS)
        else:
            yield Figure(group, "ours - straight", "ms", ours - straight)
        yield _errors(group, found["ways"], way)


def _quietest(values: Sequence[float]) -> float:
    """The median of the best of some rounds: what else runs here makes none of them shorter."""
    return min(middle(values[at : at + IN_A_ROUND]) for at in range(UNCOUNTED, len(values), IN_A_ROUND))


def _errors(group: str, found: Found, way: str) -> Figure:
    ours, its = (sum(sum(run["errors"].values()) for run in found[each]) for each in (way, STRAIGHT))
    return Figure(group, "errors", "", ours, its)


def _paced(way: str, streams: int, found: Found) -> Iterator[Figure]:
    group = f"{NAMES[way]}, {_streams(streams)}"
    yield _rate(group, found, way, LEAST_SHARE if way == CHAT else None)
    ours, straight = (_values(found, each, "first_ms") for each in (way, STRAIGHT))
    if streams > 1:
        yield Figure(group, "first token", "ms", middle(ours), middle(straight))
    used = [run["used"] for run in found[way]]
    tokens = max(1, sum(run["tokens"] for run in found[way]))
    seconds, sent = (
        sum(last[key] - opened[key] for _, opened, last in used) for key in ("seconds", "statements")
    )
    yield Figure(group, "processor, each token", "µs", seconds / tokens * 1e6)
    yield Figure(group, "statements, 1,000 tokens", "", 1000 * sent / tokens)
    # Of the first round: later ones find the memory of those before them.
    idle, _, last = used[0]
    yield Figure(group, "memory, each stream", "kB", (last["bytes"] - idle["bytes"]) / streams / 1000)
    yield _errors(group, found, way)


def _rate(group: str, found: Found, way: str, target: float | None) -> Figure:
    ours, straight = (_values(found, each, "rate") for each in (way, STRAIGHT))
    share = ratio(ours, straight)
    return Figure(group, "tokens", "1/s", middle(ours), middle(straight), share, target, at_least=True)


def _values(found: Found, way: str, key: str) -> list[float]:
    return [float(run[key]) for run in found[way]]


def _streams(number: int) -> str:
    return f"{number} stream{'s' if number > 1 else ''}"


def _status(port: int) -> int | None:
    with suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
        connection.request("GET", "/")
        return connection.getresponse().status
    return None


def _notes(share: float) -> list[str]:
    return [
        "First tokens of one stream, and the statements that a chat sends before its model is asked, alone",
        "in a transaction of theirs: of ten rounds the quietest. Tokens, processor and statements: 1 or 2 s",
        "from when all streams have begun, eight at a time. Who asks, who answers, the model's stand-in and",
        f"Postgres share the processors. The client used at most {share:.0%} of one.",
    ]
