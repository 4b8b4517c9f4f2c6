"""The child that gives cursors to the middle of lists of files, without asking for page after page.

`{"lists": [{"owner", "query", "skipped"}, …]}` gives a cursor each: of the page after so many files.
"""

import json
import sys
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, event

from common.context import RequestContext, enter_context
from common.database import get_engine
from common.pagination import PageParameters
from functions.files.repository import lists
from functions.files.schemas.files import FileQuery


def cursor_of(connection: Connection, asked: dict[str, Any]) -> str | None:
    """The cursor of a page of one, which begins later."""
    skipped = asked["skipped"] - 1

    def skip(*call: Any) -> tuple[str, Any]:  # noqa: ANN401 - SQLAlchemy's event signature
        _connection, _cursor, statement, parameters, *_ = call
        return f"{statement} OFFSET {skipped}", parameters

    query = FileQuery.model_validate(asked["query"])
    filters = lists.Filters(**query.model_dump(exclude={"sort"}))
    event.listen(connection, "before_cursor_execute", skip, retval=True)
    _, cursor = lists.page_at_once(
        connection, UUID(asked["owner"]), filters, query.order, PageParameters(1, None)
    )
    return cursor


def main() -> None:
    """Answer one question, as the function."""
    answers, sys.stdout = sys.stdout, sys.stderr  # slow statements are logged
    enter_context(RequestContext(function="files", client_address="127.0.0.1"))
    engine = get_engine("files")
    found = []
    for asked in json.load(sys.stdin)["lists"]:
        with engine.connect() as connection:
            found.append(cursor_of(connection, asked))
    json.dump(found, answers)


if __name__ == "__main__":
    main()
