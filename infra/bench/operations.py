"""What is asked of a server over HTTP, and what was found."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.bench.figures import middle
from infra.bench.rig import Rig

HEAD = "Host: localhost\r\nUser-Agent: bench\r\nAccept: application/json\r\n"
PATIENCE = 60.0  # seconds beyond those of the run

type Found = dict[str, Any]


def get(path: str, token: str) -> str:
    """A whole request."""
    return f"GET {path} HTTP/1.1\r\n{HEAD}Authorization: Bearer {token}\r\n\r\n"


def post(path: str, body: str, length: int | None = None) -> str:
    """A whole request; `length` where the body is not complete yet."""
    size = len(body) if length is None else length
    head = f"POST {path} HTTP/1.1\r\n{HEAD}Content-Type: application/json\r\nContent-Length: {size}\r\n"
    return f"{head}\r\n{body}"


@dataclass
class Operation:
    """What is asked of one server; `requests` has one client each, `tokens` what each rotates, if any."""

    name: str
    port: int
    requests: Sequence[str]
    tokens: list[str] = field(default_factory=list)
    runs: dict[int, list[Found]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Without tokens, nothing rotates."""
        self.tokens = self.tokens or [""] * len(self.requests)

    def question(self, connections: int) -> dict[str, Any]:
        """Whom the child asks what, over so many connections."""
        clients = [
            {"request": request, "token": token}
            for request, token in zip(self.requests[:connections], self.tokens, strict=False)
        ]
        return {"port": self.port, "clients": clients}

    def run(self, rig: Rig, connections: int, seconds: float, *, beside: "Operation | None" = None) -> Found:
        """Ask over so many connections; `beside` is asked at the same time, over all of its own."""
        question: dict[str, Any] = {"seconds": seconds, **self.question(connections)}
        if beside is not None:
            question["beside"] = beside.question(len(beside.requests))
        found: Found = rig.ask("load", question, patience=seconds + PATIENCE)
        self.tokens[:connections] = found.pop("tokens")
        return found

    def keep(self, connections: int, found: Mapping[str, Any]) -> None:
        """Add what a run found to those that count."""
        self.runs.setdefault(connections, []).append(dict(found))

    def values(self, connections: int, key: str) -> list[float]:
        """What each round found."""
        return [float(run[key]) for run in self.runs[connections]]

    def errors(self, connections: int) -> Counter[str]:
        """Errors of all rounds, by kind."""
        return sum((Counter(run["errors"]) for run in self.runs[connections]), Counter[str]())


def ratio(ours: Sequence[float], references: Sequence[float]) -> float:
    """The median of the rounds' ratios; 0 where the reference found nothing."""
    return middle(a / b if b else 0.0 for a, b in zip(ours, references, strict=True))
