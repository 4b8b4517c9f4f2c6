"""Where the time of one hot path goes: GET /users/me, warm, in a server and through Mangum."""

from collections.abc import Sequence
from typing import Any

from infra.bench.figures import Figure, Result
from infra.bench.rig import Rig

GROUP = "GET /users/me, each layer's own time"


def measure(rig: Rig, accounts: Sequence[dict[str, str]], *, calls: int) -> Result:
    """The own time of each layer as a server runs it and as Lambda does, and its share of the first."""
    served, invoked = (
        rig.ask("spans", {"token": accounts[0]["access"], "calls": calls, "in_lambda": in_lambda})
        for in_lambda in (False, True)
    )
    return Result(
        "Where the time goes", _figures(served, invoked), columns=("server", "Mangum"), notes=_notes(served)
    )


def _figures(served: dict[str, Any], invoked: dict[str, Any]) -> list[Figure]:
    whole, other = sum(served["spans"].values()), sum(invoked["spans"].values())
    layers = [
        Figure(GROUP, name, "µs", own, invoked["spans"][name], own / whole)
        for name, own in served["spans"].items()
    ]
    return [
        *layers,
        Figure(GROUP, "whole call", "µs", whole, other, 1.0),
        Figure(GROUP, "the same without these clocks", "µs", served["plain"], invoked["plain"]),
    ]


def _notes(found: dict[str, Any]) -> list[str]:
    notes = ["One call at a time, no HTTP server in front; the ratio is the share of the server's call."]
    if found["missing"]:
        notes.append(f"Not found, so counted where it was called: {', '.join(found['missing'])}.")
    return notes
