"""`changes.md`: whether it tells of every operation that has changed since the last release.

It follows Keep a Changelog. An entry about the API begins with the operation in backticks, or with several,
separated by commas; one that breaks clients with **Breaking** before them:

    - `GET /v1/notes`: lists your notes.
    - **Breaking** `PATCH /v1/notes/{note_id}`: needs `If-Match`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from infra.contract.compatibility import Change
from infra.local.home import PROJECT

PATH: Final = PROJECT / "changes.md"
_UNRELEASED: Final = re.compile(r"^## \[Unreleased\][^\n]*\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_OPERATION: Final = r"`[A-Z]+ /[^`\s]*`"
_ENTRY: Final = re.compile(rf"^- (\*\*Breaking\*\*:? )?({_OPERATION}(?:,\s+{_OPERATION})*)", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """An entry of `changes.md` about one operation."""

    operation: str
    breaking: bool


def read() -> str:
    """The text of `changes.md`; empty where there is none yet."""
    return PATH.read_text(encoding="utf-8") if PATH.exists() else ""


def unreleased(text: str) -> list[Entry]:
    """The entries about operations under `## [Unreleased]`."""
    section = _UNRELEASED.search(text)
    return [
        Entry(operation.strip("`"), breaking=bool(marked))
        for marked, listed in _ENTRY.findall(section.group(1) if section else "")
        for operation in re.findall(_OPERATION, listed)
    ]


def complaints(changes: Iterable[Change], entries: Iterable[Entry], known: Iterable[str]) -> Iterator[str]:
    """A sentence for each change without its entry, and for each entry about an operation that never was.

    `known` are the operations of the last release and of today.
    """
    told = list(entries)
    for change in changes:
        mine = [entry for entry in told if entry.operation == change.operation]
        if not mine:
            yield (
                f"`{change.operation}` was {change.kind} since the last release: changes.md needs an entry "
                f"under [Unreleased] that begins with {_beginning(change)}."
            )
        elif change.breaking and not any(entry.breaking for entry in mine):
            yield (
                f"`{change.operation}` breaks clients ({'; '.join(change.breaking)}): its entry in "
                f"changes.md must begin with {_beginning(change)}."
            )
    for operation in sorted({entry.operation for entry in told} - set(known)):
        yield f"changes.md tells of `{operation}` under [Unreleased], which is no operation."


def _beginning(change: Change) -> str:
    marker = "**Breaking** " if change.breaking else ""
    return f"{marker}`{change.operation}`"
