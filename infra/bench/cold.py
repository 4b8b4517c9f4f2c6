"""Cold start: a fresh interpreter imports a function and answers a first request, beside the hello."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.bench.artifact import absent
from infra.bench.figures import Figure, Result, middle
from infra.bench.operations import ratio
from infra.bench.rig import BenchFailed, Rig
from infra.bench.warm_calls import event_for

MOST_RATIO = 2.7
SHOWN_IMPORTS = 15
PARTS = ("import", "construction", "first_request")
_IMPORT_TIME = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| +(\S+)")


@dataclass
class Start:
    """One kind of start and what each round found, in milliseconds by part."""

    name: str
    module: str
    event: dict[str, Any]
    runs: list[dict[str, float]] = field(default_factory=list)
    target: float | None = None

    def question(self) -> dict[str, Any]:
        """What the child is asked."""
        function = self.module.split(".")[1]
        return {"module": self.module, "event": self.event, "absent": absent(function)}

    def run(self, rig: Rig) -> None:
        """Start once. Raises BenchFailed, also where no bytecode is kept: every figure would mean another."""
        found = rig.ask("cold_start", self.question())
        if not found["bytecode"]:
            raise BenchFailed(f"{self.module} leaves no bytecode behind: is the checkout read-only?")
        self.runs.append({"whole": sum(found[part] for part in PARTS), **found})

    def values(self, key: str) -> list[float]:
        """What each round found."""
        return [run[key] for run in self.runs]


def _starts(token: str) -> list[Start]:
    def function(name: str, path: str, title: str, target: float | None = None) -> Start:
        return Start(title, f"functions.{name}.app", event_for(path, token), target=target)

    return [
        Start("hello", "infra.bench.hello", event_for("/hello", token)),
        function("users", "/v1/users/livez", "users", MOST_RATIO),
        function("users", "/v1/users/me", "users, first GET /users/me: connects"),
        function("auth", "/v1/auth/livez", "auth", MOST_RATIO),
        function("health", "/v1/health/livez", "health"),
        function("worker", "/v1/worker/livez", "worker"),
    ]


def measure(
    rig: Rig,
    accounts: Sequence[dict[str, str]],
    *,
    rounds: int,
    verbose: bool,
    progress: Callable[[str], None],
) -> Result:
    """`rounds` fresh interpreters of each kind, in turns; one before that writes the bytecode, if several."""
    starts = _starts(accounts[0]["access"])
    for number in range(rounds if rounds == 1 else rounds + 1):
        progress(f"cold starts: round {number} of {rounds}" if number else "cold starts: bytecode")
        for start in starts:
            start.run(rig)
    if rounds > 1:
        for start in starts:
            start.runs.pop(0)
    hello, *ours = starts
    notes = [
        "From the first line of a fresh interpreter, bytecode present, medians. What else a start has is",
        "the same for all. Each has what its artifact would hold, the hello what the layer does. The request",
        "is /livez but where the name says otherwise. On a busy machine the processor time tells.",
    ]
    if verbose:
        for start in starts:
            notes += _slowest_imports(rig, start)
    return Result("Cold start", [figure for start in ours for figure in _figures(start, hello)], notes=notes)


def _figures(start: Start, hello: Start) -> list[Figure]:
    def figure(key: str, compared: float | None = None, target: float | None = None) -> Figure:
        mine, its = middle(start.values(key)), middle(hello.values(key))
        return Figure(start.name, key.replace("_", " "), "ms", mine, its, compared, target)

    def compared(key: str, target: float | None = None) -> Figure:
        return figure(key, ratio(start.values(key), hello.values(key)), target)

    return [compared("whole", start.target), *(figure(part) for part in PARTS), compared("processor")]


def _slowest_imports(rig: Rig, start: Start) -> list[str]:
    rig.ask("cold_start", start.question(), options=("-X", "importtime"))
    found = _IMPORT_TIME.findall(rig.log("cold_start").read_text(errors="replace"))
    slowest = sorted(((int(own), name) for own, _, name in found), reverse=True)[:SHOWN_IMPORTS]
    total = sum(int(own) for own, _, _ in found)
    lines = [
        f"Imports of {start.name}: {len(found)} modules, {total / 1000:.0f} ms; the slowest by own time:"
    ]
    return lines + [f"    {own / 1000:6.1f} ms  {name}" for own, name in slowest]
