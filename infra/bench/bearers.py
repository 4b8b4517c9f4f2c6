"""What an API key costs as the bearer, beside an access token that is remembered."""

from collections.abc import Callable, Sequence

from infra.bench.figures import Figure, Result, middle
from infra.bench.operations import Operation, get, ratio
from infra.bench.rig import Rig

CONNECTIONS = (1, 16)


def measure(
    rig: Rig,
    accounts: Sequence[dict[str, str]],
    *,
    rounds: int,
    seconds: float,
    progress: Callable[[str], None],
) -> Result:
    """`rounds` times, over each number of connections: with keys, then with tokens, of the same server."""
    port = rig.serve("functions.users.app:app")
    asked = accounts[: max(CONNECTIONS)]
    keys, tokens = (
        Operation(name, port, [get("/v1/users/me", account[name]) for account in asked])
        for name in ("key", "access")
    )
    for operation in (keys, tokens):
        operation.run(rig, max(CONNECTIONS), min(1.0, seconds))
    for number in range(rounds):
        progress(f"API keys: round {number + 1} of {rounds}")
        for connections in CONNECTIONS:
            for operation in (keys, tokens):
                operation.keep(connections, operation.run(rig, connections, seconds))
    figures = [figure for connections in CONNECTIONS for figure in _figures(keys, tokens, connections)]
    return Result("An API key as the bearer", figures, columns=("key", "token"), notes=_notes((keys, tokens)))


def _figures(keys: Operation, tokens: Operation, connections: int) -> list[Figure]:
    group = f"GET /users/me with an API key, {connections} connection{'s' if connections > 1 else ''}"

    def compared(name: str, unit: str, key: str) -> Figure:
        ours, its = keys.values(connections, key), tokens.values(connections, key)
        return Figure(group, name, unit, middle(ours), middle(its), ratio(ours, its))

    errors = Figure(group, "errors", "", keys.errors(connections).total(), tokens.errors(connections).total())
    return [
        compared("requests", "1/s", "requests_per_second"),
        compared("p50", "ms", "p50_ms"),
        compared("p99", "ms", "p99_ms"),
        errors,
    ]


def _notes(operations: Sequence[Operation]) -> list[str]:
    notes = ["Both are remembered: a key is looked up again after 10 s, a token is not before it expires."]
    for operation in operations:
        for connections in CONNECTIONS:
            kinds = operation.errors(connections)
            if kinds:
                notes.append(f"Errors with {operation.name} at {connections}: {dict(kinds)}")
    return notes
