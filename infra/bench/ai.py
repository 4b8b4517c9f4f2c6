"""Answers streamed through `ai`, beside the same server of models asked straight."""

import http.client
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from infra.bench.figures import Figure, Result, middle
from infra.bench.operations import HEAD, PATIENCE, ratio
from infra.bench.rig import BenchFailed, Rig
from infra.local.ports import LOOPBACK, free_port

MOST_BEYOND_MS = 5.0
LEAST_SHARE = 0.97
# Tokens per second of each of so many streams: together what one large machine says.
PACES = {1: 100, 20: 40, 200: 10}
QUICK = {1: 100, 2: 100}
ROUNDS = 2
SECONDS = 2.0
FIRST_TOKENS = 3
IN_A_ROUND = 6
RUSH_TOKENS = 2000
ENDLESS = 100_000
CHAT, TALK, STRAIGHT = "chat", "conversation", "straight"
NAMES = {CHAT: "POST /ai/chat/completions", TALK: "POST /ai/conversations/{id}/messages"}

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
    conversations: Sequence[str]

    def ask(self, requests: Requests, rounds: int, seconds: float = 0.0, *, own: bool = False) -> Found:
        """What the child finds."""
        asked = {
            way: {
                "port": self.ports[way],
                "watched": way != STRAIGHT,
                "requests": [self._request(way, number, requests) for number in range(requests.streams)],
            }
            for way in (STRAIGHT, *NAMES)
        }
        question = {
            "rounds": rounds,
            "seconds": seconds,
            "model": self.ports[STRAIGHT],
            "owner": self.accounts[0]["id"] if own else None,
            "ways": asked,
        }
        found: Found = self.rig.ask("streams", question, patience=2 * PATIENCE)
        return found

    def _request(self, way: str, number: int, requests: Requests) -> str:
        pace, tokens = requests.pace, requests.tokens
        model, said = f"at-{pace}", [{"role": "user", "content": "Why is the sky blue?"}]
        key = self.accounts[number % len(self.accounts)]["key"]
        if way == STRAIGHT:
            options = {"num_predict": tokens, "num_ctx": 8192}
            return _post(
                "/api/chat", {"model": model, "messages": said, "options": options, "stream": True}, ""
            )
        if way == CHAT:
            body = {"model": model, "messages": said, "max_tokens": tokens, "stream": True}
            return _post("/v1/ai/chat/completions", body, key)
        # From the beginning each time: a history that grows would be measured as well.
        body = {"content": said[0]["content"], "parent_id": None, "model": model}
        path = f"/v1/ai/conversations/{self.conversations[number]}/messages"
        return _post(path, body | {"parameters": {"max_tokens": tokens}}, key)


def measure(
    rig: Rig,
    accounts: Sequence[dict[str, str]],
    *,
    quick: bool,
    progress: Callable[[str], None],
) -> Result:
    """The first tokens of one stream, then the pace of several numbers of streams, each way in turns."""
    progress("starting a server of models, and uvicorn for ai")
    bench = _start(rig, accounts, max(QUICK if quick else PACES))
    figures, shares = list(_first(bench, 2 if quick else 60, progress)), []
    for streams, pace in (QUICK if quick else PACES).items():
        progress(f"{_streams(streams)} of {pace} tokens a second")
        asked = Requests(streams, pace, ENDLESS)
        found = bench.ask(asked, *((1, 0.3) if quick else (ROUNDS, SECONDS)))["ways"]
        shares += [run["client_share"] for runs in found.values() for run in runs]
        for way in NAMES:
            figures += _paced(way, streams, found)
    progress("one stream as fast as it can be")
    found = bench.ask(Requests(1, 0, RUSH_TOKENS), 1 if quick else 3)["ways"]
    for way, name in NAMES.items():
        rate = middle(_values(found, way, "rate"))
        figures.append(Figure(f"{name}, without a pace", "tokens", "1/s", rate))
    return Result("Answers of models", figures, columns=("ours", "straight"), notes=_notes(max(shares)))


def _start(rig: Rig, accounts: Sequence[dict[str, str]], most: int) -> Bench:
    port = free_port()
    command = [sys.executable, "-m", "infra.bench.paced", str(port)]
    rig.start("paced", command, rig.environment, lambda: _status(port) is not None)
    served = rig.having(OLLAMA_URL=f"http://{LOOPBACK}:{port}")
    ports = {STRAIGHT: port, **{way: served.serve("infra.bench.watched:app") for way in NAMES}}
    keys = [accounts[number % len(accounts)]["key"] for number in range(most)]
    return Bench(rig, accounts, ports, [_begin(ports[TALK], key) for key in keys])


def _first(bench: Bench, rounds: int, progress: Callable[[str], None]) -> Iterator[Figure]:
    progress("first tokens")
    few = Requests(1, 100, FIRST_TOKENS)
    bench.ask(few, 2)  # httpx imported, pools connected
    found = bench.ask(few, rounds, own=True)
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
    return min(middle(values[at : at + IN_A_ROUND]) for at in range(0, len(values), IN_A_ROUND))


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


def _post(path: str, body: Found, key: str) -> str:
    content = json.dumps(body)
    bearer = f"Authorization: Bearer {key}\r\n" if key else ""
    head = f"POST {path} HTTP/1.1\r\n{HEAD.replace('application/json', 'text/event-stream')}{bearer}"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n{content}"


def _begin(port: int, key: str) -> str:
    """A new conversation, which wants no title."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=PATIENCE)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    body = json.dumps({"model": "at-100", "title": "Bench"})
    connection.request("POST", "/v1/ai/conversations", body, headers)
    told = connection.getresponse().read()
    connection.close()
    try:
        return str(json.loads(told)["id"])
    except (ValueError, KeyError):
        raise BenchFailed(f"No conversation was made: {told[:300]!r}") from None


def _status(port: int) -> int | None:
    with suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
        connection.request("GET", "/")
        return connection.getresponse().status
    return None


def _notes(share: float) -> list[str]:
    return [
        "First tokens of one stream, and the statements that a chat sends before its model is asked, alone",
        "in a transaction of theirs: of ten rounds the quietest. Tokens, processor and statements: 2 s",
        "from when all streams have begun, eight at a time. Who asks, who answers, the model's stand-in and",
        f"Postgres share the processors. The client used at most {share:.0%} of one.",
    ]
