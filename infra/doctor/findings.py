"""What a check finds, and how checks make an edge of the network.

A check is a small function that yields findings: one line of what was found, and beside it what to do. The
checks of an edge are a chain, from the name to the usual causes: a finding that `ends` leaves out the rest.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum


class State(IntEnum):
    """How bad it is; the number is also the exit code of the command."""

    OK = 0
    WARNING = 1
    FAILED = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of what was found, and what to do where it is not well."""

    state: State
    found: str
    fix: str = ""
    ends: bool = False


type Look = Callable[[], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Check:
    """A step of an edge; the name is one or two words."""

    name: str
    look: Look


@dataclass(frozen=True, slots=True)
class Edge:
    """Who calls whom, at which address (never with a password), and the checks of it.

    Where the backend does its work without what is not `essential`, a failure is a warning.
    """

    name: str
    address: str
    checks: Sequence[Check]
    essential: bool = True


def ok(found: str, *, ends: bool = False) -> Finding:
    """All is well."""
    return Finding(State.OK, found, ends=ends)


def warning(found: str, fix: str, *, ends: bool = False) -> Finding:
    """It works, and will hurt."""
    return Finding(State.WARNING, found, fix, ends)


def failed(found: str, fix: str, *, ends: bool = True) -> Finding:
    """It does not work; what comes after it cannot either, unless `ends` says otherwise."""
    return Finding(State.FAILED, found, fix, ends)
