"""Exports: rows as NDJSON, one JSON object a line, as many as one answer can carry.

A client goes on by `Link: …; rel="next"` or with `Next-Cursor` until an answer has neither.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select
from starlette.responses import Response

from common.context import current_context
from common.database.transactions import AnyRow
from common.pagination import PageParameters, SortKey, cursor_after, rows_after

MAX_LINES: Final = 10_000

# A function URL carries 6 MB, the answer as a string in JSON: what counts is a line with its escapes.
_MAX_CARRIED_BYTES: Final = 5_000_000

_TEXT: Final = {"schema": {"type": "string"}}
_HEADERS: Final = {
    "Link": {"description": "The URL of what follows, as `next`; absent at the end.", **_TEXT},
    "Next-Cursor": {"description": "The `cursor` of what follows; absent at the end.", **_TEXT},
}


class NdjsonResponse(Response):
    """Lines of JSON."""

    media_type = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Export:
    """The lines of one answer, and whether they are the last."""

    lines: list[str]
    complete: bool

    @property
    def text(self) -> str:
        """The body: each line ends with a newline, the last too."""
        return "".join(f"{line}\n" for line in self.lines)


def export_rows(
    connection: Connection,
    statement: Select[*tuple[Any, ...]],
    keys: Sequence[SortKey],
    page: PageParameters,
    *,
    context: str,
    line: Callable[[AnyRow], str],
) -> Export:
    """The rows after the cursor as lines: at most `page.limit`, fewer where an answer is full before.

    There is at least one where there are rows, so that a client always comes further. `line` makes the JSON
    of a row; `context` is that of `common.pagination`. Sets `Link` and `Next-Cursor`.
    """
    lines: list[str] = []
    carried, last = 0, None
    for row in rows_after(connection, statement, keys, page, context=context):
        made = line(row)
        carried += len(json.dumps(made)) + len("\\n")
        if last is not None and (len(lines) == page.limit or carried > _MAX_CARRIED_BYTES):
            cursor = cursor_after(last, keys, page, context=context)
            current_context().response_headers["Next-Cursor"] = cursor
            return Export(lines, complete=False)
        lines.append(made)
        last = row
    return Export(lines, complete=True)


def described(example: str) -> dict[str, Any]:
    """The success of an operation that exports, for its `responses`; `example` is one line."""
    content = {"schema": {"type": "string", "description": "One JSON object a line."}, "example": example}
    return {"content": {NdjsonResponse.media_type: content}, "headers": _HEADERS}
