"""A warm request through Mangum, beside the hello and the request's own statements."""

from collections.abc import Sequence

from infra.bench.figures import Figure, Result, middle
from infra.bench.rig import Rig

MOST_FACTOR = 1.5


def measure(
    rig: Rig, accounts: Sequence[dict[str, str]], *, processes: int, rounds: int, calls: int
) -> Result:
    """In each process `rounds` medians of `calls` calls, one kind after the other; the quietest counts."""
    question = {"token": accounts[0]["access"], "rounds": rounds, "calls": calls}
    found = [rig.ask("warm_calls", question, patience=120) for _ in range(processes)]
    me, hello, statements = (
        [min(process[kind]) for process in found] for kind in ("me", "hello", "statements")
    )
    factor = middle((a - b) / c for a, b, c in zip(me, hello, statements, strict=True))
    ratio = middle(a / b for a, b in zip(me, hello, strict=True))
    group = "GET /users/me through Mangum"
    figures = [
        Figure(group, "whole call", "µs", middle(me), middle(hello), ratio),
        Figure(group, "its statements alone", "µs", middle(statements)),
        Figure(group, "(call - hello) / statements", "", factor, None, factor, MOST_FACTOR),
    ]
    return Result("Warm, in one process, one call at a time", figures, notes=_notes(found[0]["sql"]))


def _notes(sql: Sequence[str]) -> list[str]:
    return [
        f"Statements: {', '.join(sql)}, in a transaction if the request has one; Core, the same driver.",
        "The quietest round of each process, the median of the processes: each call of the hello makes a",
        "thread, which takes 0.2 ms or 2 ms as it comes, and the longer would flatter us.",
    ]
