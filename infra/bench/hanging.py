"""What calls of models that hang leave to the other requests: `GET /users/me`, quiet and beside them."""

from collections.abc import Sequence
from typing import Any

from infra.bench import model_calls
from infra.bench.figures import Figure, Result, percentile
from infra.bench.operations import PATIENCE, get
from infra.bench.paced import SILENT
from infra.bench.rig import Rig

MOST_FACTOR = 2.0
CALLS = 200
QUICK_CALLS = 8
ROUNDS = 3
SECONDS = 0.7
PAUSE = 0.5  # seconds: a little more than what is said waits to be stored
TOGETHER, APART = "all functions in one process", "each function in a process of its own"

type Ports = tuple[int, int]
"""Where users answers, and where ai does."""


def group(way: str, calls: int) -> str:
    """What a figure is of."""
    return f"GET /users/me, {way}, while {calls} calls of models hang"


def measure(
    rig: Rig,
    accounts: Sequence[dict[str, str]],
    ports: dict[str, Ports],
    model: int,
    *,
    quick: bool,
) -> Result:
    """In turns, quiet and while so many calls wait for a model that accepts them and is silent."""
    number = QUICK_CALLS if quick else CALLS
    read = {"request": get("/v1/users/me", accounts[0]["access"]), "token": ""}
    question = {
        "rounds": 1 if quick else ROUNDS,
        "seconds": 0.1 if quick else SECONDS,
        "pause": 0.0 if quick else PAUSE,
        "model": model,
        "ways": {
            way: {
                "read": {"port": users, "clients": [read]},
                "ai": ai,
                "calls": _calls(ai, accounts, number),
            }
            for way, (users, ai) in ports.items()
        },
    }
    found = rig.ask("held_reads", question, patience=4 * PATIENCE)
    figures = [each for way in ports for each in _figures(way, number, found[way])]
    return Result("While models hang", figures, columns=("hanging", "quiet"), notes=_notes(number, accounts))


def _calls(port: int, accounts: Sequence[dict[str, str]], number: int) -> list[str]:
    """Of four, two chats that stream, one that is whole, and one message of a conversation."""
    made = []
    for index in range(number):
        key = accounts[index % len(accounts)]["key"]
        if index % 4:
            made.append(model_calls.chat(SILENT, key, tokens=1, stream=index % 4 < 3))
        else:
            made.append(model_calls.talk(SILENT, key, model_calls.begin(port, key), tokens=1))
    return made


def _figures(way: str, calls: int, found: dict[str, Any]) -> list[Figure]:
    name = group(way, calls)
    hanging, quiet = found["hanging"], found["quiet"]

    def compared(label: str, share: float, target: float | None = None) -> Figure:
        ours, its = percentile(hanging, share), percentile(quiet, share)
        return Figure(name, label, "ms", ours, its, ours / its if its else 0.0, target)

    return [
        compared("p50", 0.5),
        compared("p99", 0.99, MOST_FACTOR),
        Figure(name, "reads", "", len(hanging), len(quiet)),
        Figure(name, "calls that the model holds", "", min(found["held"])),
        Figure(name, "errors", "", sum(found["errors"].values()), 0),
    ]


def _notes(calls: int, accounts: Sequence[dict[str, str]]) -> list[str]:
    return [
        f"{calls} calls of {min(calls, len(accounts))} accounts; of four, two are chats that stream, one a",
        "chat that comes whole, one a message of a conversation. All are admitted and hang, by ai's count",
        "and by that of the model's stand-in. One reader; quiet and hanging in turns, p50 and p99 of all.",
    ]
