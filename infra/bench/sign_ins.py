"""Sign-ins: how near they come to what hashing alone allows, and what they leave to the other requests."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from infra.bench.figures import Figure, Result, middle
from infra.bench.operations import Operation, get, post, ratio
from infra.bench.rig import Rig

PASSWORD = "correct horse battery staple"  # noqa: S105 - of accounts that end with the run
CONNECTIONS = 8  # more than hash at a time, so that a hash is always waiting
CROWD = 32
LEAST_SHARE = 0.9
MOST_FACTOR = 3.0
READ = "GET /users/me"
SIGN_IN = "POST /auth/login"


def _operations(port: int, accounts: Sequence[dict[str, str]]) -> tuple[Operation, Operation]:
    bodies = [json.dumps({"email": each["email"], "password": PASSWORD}) for each in accounts[:CROWD]]
    sign_ins = Operation(SIGN_IN, port, [post("/v1/auth/login", body) for body in bodies])
    return sign_ins, Operation(READ, port, [get("/v1/users/me", accounts[0]["access"])])


def measure(
    rig: Rig,
    accounts: Sequence[dict[str, str]],
    *,
    rounds: int,
    seconds: float,
    progress: Callable[[str], None],
) -> Result:
    """`rounds` times: bare hashing, sign-ins, a read alone, the read while CROWD sign-ins run."""
    port = rig.serve("infra.bench.together:app")
    sign_ins, read = _operations(port, accounts)
    bare: list[dict[str, Any]] = []
    crowded = Operation(READ, port, read.requests)
    for operation in (sign_ins, read):
        operation.run(rig, 2, min(1.0, seconds))  # caches filled, pool connected
    for number in range(rounds):
        progress(f"sign-ins: round {number + 1} of {rounds}")
        bare.append(rig.ask("hashing", {"seconds": seconds}))
        sign_ins.keep(CONNECTIONS, sign_ins.run(rig, CONNECTIONS, seconds))
        read.keep(1, read.run(rig, 1, seconds))
        crowded.keep(1, crowded.run(rig, 1, seconds, beside=sign_ins))
    figures = [*_against_hashing(sign_ins, bare), *_beside_sign_ins(read, crowded)]
    return Result(
        "Sign-ins", figures, columns=("ours", "reference"), notes=_notes(bare[0], sign_ins, crowded)
    )


def _against_hashing(sign_ins: Operation, bare: Sequence[dict[str, Any]]) -> list[Figure]:
    group = f"{SIGN_IN}, {CONNECTIONS} connections, against bare argon2"
    processors = bare[0]["processors"]
    ours = [each / processors for each in sign_ins.values(CONNECTIONS, "requests_per_second")]
    its = [each["per_second"] / processors for each in bare]
    return [
        Figure(
            group,
            "sign-ins per core",
            "1/s",
            middle(ours),
            middle(its),
            ratio(ours, its),
            LEAST_SHARE,
            at_least=True,
        ),
        Figure(
            group,
            "p50; of one hash",
            "ms",
            middle(sign_ins.values(CONNECTIONS, "p50_ms")),
            middle(each["p50_ms"] for each in bare),
        ),
    ]


def _beside_sign_ins(read: Operation, crowded: Operation) -> list[Figure]:
    group = f"{READ}, 1 connection, while {CROWD} sign-ins run in the same process"

    def quietest(name: str, key: str, target: float | None = None) -> Figure:
        # What else runs on the machine would slow down the quiet rounds most, and flatter us.
        ours, its = min(crowded.values(1, key)), min(read.values(1, key))
        return Figure(group, name, "ms", ours, its, ours / its if its else 0.0, target)

    return [quietest("p50", "p50_ms", MOST_FACTOR), quietest("p99", "p99_ms")]


def _notes(bare: dict[str, Any], sign_ins: Operation, crowded: Operation) -> list[str]:
    beside = sum((Counter(run["beside"]["errors"]) for run in crowded.runs[1]), Counter[str]())
    errors = {
        "the sign-ins": sign_ins.errors(CONNECTIONS),
        f"the {CROWD} sign-ins beside the read": beside,
        "the read": crowded.errors(1),
    }
    return [
        f"Bare: argon2's own hashing on as many threads as a process of ours, at {bare['processors']} of the",
        "processors. Server, Postgres and the client share them. Of the read, the quietest round of each.",
        *(f"Errors of {name}: {dict(kinds)}" for name, kinds in errors.items() if kinds),
    ]
