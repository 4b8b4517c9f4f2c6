"""Running all edges at once, each in bounded time."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from infra.doctor.findings import Check, Edge, Finding, State, failed

EDGE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A finding, and the name of the check that it is of."""

    check: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class EdgeReport:
    """What was found at one edge."""

    edge: Edge
    seen: tuple[Seen, ...]

    @property
    def state(self) -> State:
        """The worst."""
        return worst(each.finding.state for each in self.seen)


def worst(states: Iterator[State]) -> State:
    """OK where there is none."""
    return max(states, default=State.OK)


def run(edges: Sequence[Edge], seconds: float = EDGE_SECONDS) -> Iterator[EdgeReport]:
    """Each edge in a thread of its own; the reports in the order of the edges, each as soon as it is there.

    An edge that has not ended after `seconds` is reported with what it has found until then.
    """
    deadline = time.monotonic() + seconds
    runs = [_Run(edge) for edge in edges]
    for each in runs:
        each.start()
    for each in runs:
        each.join(max(0.0, deadline - time.monotonic()))
        yield each.report(seconds)


class _Run(threading.Thread):
    # A daemon, so that a look-up that hangs does not keep the command from ending.
    def __init__(self, edge: Edge) -> None:
        super().__init__(name=edge.name, daemon=True)
        self._edge = edge
        self._lock = threading.Lock()
        self._seen: list[Seen] = []
        self._at = ""

    def run(self) -> None:
        for check in self._edge.checks:
            self._at = check.name
            if self._ends(check):
                break
        self._at = ""

    def _ends(self, check: Check) -> bool:
        """Take what a check finds; whether the chain ends here."""
        try:
            for finding in check.look():
                self._add(check.name, finding)
                if finding.ends:
                    return True
        except Exception as error:  # noqa: BLE001 - one check that breaks must not take the others with it
            # Its text may quote an address with a password: the type has to do.
            fault = f"The check itself broke with {type(error).__name__}."
            self._add(check.name, failed(fault, "This is a fault of `lambkin doctor`: please report it."))
            return True
        return False

    def _add(self, check: str, finding: Finding) -> None:
        if finding.state is State.FAILED and not self._edge.essential:
            finding = replace(finding, state=State.WARNING)
        with self._lock:
            self._seen.append(Seen(check, finding))

    def report(self, seconds: float) -> EdgeReport:
        at = self._at if self.is_alive() else ""
        if at:
            late = f"Not finished within {seconds:g} s."
            self._add(at, failed(late, "Something on the way takes connections or questions and is silent."))
        with self._lock:
            return EdgeReport(self._edge, tuple(self._seen))
