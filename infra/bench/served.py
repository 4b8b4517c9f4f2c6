"""Over uvicorn: requests per second and latencies, alternating with the hello."""

from collections.abc import Callable, Sequence

from infra.bench.figures import Figure, Result, middle
from infra.bench.operations import Operation, get, post, ratio
from infra.bench.rig import POOL, Rig

CONNECTIONS = (1, 16, 100)
COMPARED = 16
CROWD = 100
LEAST_SHARE = 0.2
MOST_TAIL = 3.0


def _operations(rig: Rig, accounts: Sequence[dict[str, str]]) -> list[Operation]:
    refresh_tokens = [account["refresh"] for account in accounts]
    body = '{"refresh_token":"{token}"}'
    length = len(body.replace("{token}", refresh_tokens[0]))
    # The hello gets the same headers: parsing them is not what is compared.
    return [
        Operation(
            "hello",
            rig.serve("infra.bench.hello:app"),
            [get("/hello", account["access"]) for account in accounts],
        ),
        Operation(
            "GET /users/me",
            rig.serve("functions.users.app:app"),
            [get("/v1/users/me", account["access"]) for account in accounts],
        ),
        Operation(
            "POST /auth/refresh",
            rig.serve("functions.auth.app:app"),
            [post("/v1/auth/refresh", body, length)] * len(accounts),
            refresh_tokens,
        ),
    ]


def measure(
    rig: Rig,
    accounts: Sequence[dict[str, str]],
    *,
    rounds: int,
    seconds: float,
    progress: Callable[[str], None],
) -> Result:
    """`rounds` times: each number of connections, each operation for `seconds`."""
    progress("starting uvicorn for the hello, users and auth")
    operations = _operations(rig, accounts)
    for operation in operations:
        operation.run(rig, CROWD, min(1.0, seconds))  # caches filled, pool connected
    for number in range(rounds):
        for connections in CONNECTIONS:
            progress(f"round {number + 1} of {rounds}: {connections} connections")
            for operation in operations:
                operation.keep(connections, operation.run(rig, connections, seconds))
    hello, *ours = operations
    figures = [
        figure
        for operation in ours
        for connections in CONNECTIONS
        for figure in _figures(operation, hello, connections)
    ]
    return Result("Over uvicorn, one worker", figures, notes=_notes(operations))


def _figures(operation: Operation, hello: Operation, connections: int) -> list[Figure]:
    group = f"{operation.name}, {connections} connection{'s' if connections > 1 else ''}"
    targeted = operation.name == "GET /users/me"

    def compared(name: str, unit: str, key: str, target: float | None = None) -> Figure:
        mine, its = operation.values(connections, key), hello.values(connections, key)
        return Figure(group, name, unit, middle(mine), middle(its), ratio(mine, its), target, at_least=True)

    figures = [
        compared(
            "requests",
            "1/s",
            "requests_per_second",
            LEAST_SHARE if targeted and connections == COMPARED else None,
        ),
        compared("p50", "ms", "p50_ms"),
        compared("p99", "ms", "p99_ms"),
    ]
    if connections == CROWD:
        figures.append(_tail(group, operation, MOST_TAIL if targeted else None))
    failed = operation.errors(connections).total()
    bound = 0.0 if targeted and connections == CROWD else None
    errors = Figure(
        group,
        "errors",
        "",
        failed,
        hello.errors(connections).total(),
        None if bound is None else failed,
        bound,
    )
    return [*figures, errors]


def _tail(group: str, operation: Operation, target: float | None) -> Figure:
    factor = ratio(operation.values(CROWD, "p99_ms"), operation.values(CROWD, "p50_ms"))
    return Figure(group, f"p99 / p50, pool of {POOL}", "", factor, None, factor, target)


def _notes(operations: Sequence[Operation]) -> list[str]:
    busiest = max(run["client_share"] for each in operations for runs in each.runs.values() for run in runs)
    notes = [
        "Server, Postgres and the client that asks share this machine's processors: Postgres and its disk",
        "count against us, not against the hello. RATE_LIMITS=false; refresh commits to disk.",
        f"The client used at most {busiest:.0%} of one processor.",
    ]
    for operation in operations:
        for connections in CONNECTIONS:
            kinds = operation.errors(connections)
            if kinds:
                notes.append(f"Errors of {operation.name} at {connections}: {dict(kinds)}")
    return notes
