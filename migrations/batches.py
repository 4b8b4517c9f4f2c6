"""Changing many rows a batch at a time, each committed alone: no lock outlives its batch."""

from collections.abc import Mapping
from typing import Any, Final

from alembic.runtime.migration import MigrationContext
from sqlalchemy import ColumnElement, FromClause, Select, TableClause, func, select, true, update

from common.logs import get_logger

log = get_logger("migrations")

BATCH_ROWS: Final = 1000


def in_batches(
    context: MigrationContext,
    table: TableClause,
    *,
    values: Mapping[str, Any],
    where: ColumnElement[bool],
    key: str = "id",
    size: int = BATCH_ROWS,
) -> int:
    """Set `values` in the rows that match `where`, in the order of `key`, `size` rows a statement.

    For a revision of its own that does nothing else; `context` is `op.get_context()`. `where` must not match
    a row once it is changed: then a run that was interrupted is resumed by running it again, and what
    functions write in between is not overwritten. `key` names a column with a unique index; `values` may be
    expressions over the columns of `table`.

    Returns the number of rows changed. Raises the database's error where a batch fails; those before it stay.
    """
    if context.as_sql:
        context.impl.static_output(f"-- {table.name}: rows are changed in batches, which SQL alone cannot\n")
        return 0
    total, last = 0, None
    with context.autocommit_block():
        if context.connection is None:
            raise TypeError("a migration that runs has a connection")
        while True:
            statement = _statement(table, values, where, key, size, last)
            batch = context.connection.execute(statement).one_or_none()
            if batch is None:
                return total
            last = batch.last
            total += batch.rows
            log.info("batch_migrated", table=table.name, rows=batch.rows, total=total, last=str(last))


def _statement(
    table: TableClause,
    values: Mapping[str, Any],
    where: ColumnElement[bool],
    key: str,
    size: int,
    last: object,
) -> Select[Any]:
    column = table.c[key]
    after = true() if last is None else column > last
    # Locked in the order of the key, so that two runs of this cannot deadlock.
    due = select(column).where(where, after).order_by(column).limit(size).with_for_update().cte("due")
    change = update(table).values(dict(values)).where(column == due.c[key])
    changed: FromClause = change.returning(column).cte("changed")
    found = changed.c[key]
    # The database says which key is the last one, as its order may not be Python's.
    return select(found.label("last"), func.count().over().label("rows")).order_by(found.desc()).limit(1)
