"""How Postgres answers the statements of lists where there are many rows."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, event, make_url
from sqlalchemy.engine import Engine

from common.database.engine import build_engine
from common.pagination import PageParameters
from tests.support.postgres import Databases, connect

_NAME: Final = "plans"
_ONE_FILLS: Final = 0x706C616E73
_DEPTH: Final = 9_899
PAGE: Final = 100
"""Rows on a page: the hundredth page begins after _DEPTH rows and one."""

type Page = Callable[[Connection, PageParameters], tuple[list[Any], str | None]]
"""A repository's function that gives a page, with its filters and its order already given."""


def filled_database(databases: Databases, inserts: dict[str, str]) -> str:
    """The owner's URL of the run's database for plans: `inserts` has a statement for each table to fill.

    Whichever worker comes first makes it; the run removes it with its others.
    """
    with connect(make_url(databases.url)) as server:
        server.run("select pg_advisory_lock(:key)", key=_ONE_FILLS)
        address = databases.address(_NAME)
        name = make_url(address).database
        if not server.run("select from pg_database where datname = :name", name=name):
            databases.create(_NAME)
            try:
                _fill(address, inserts)
            except BaseException:
                databases.drop(_NAME)
                raise
        return address


def _fill(address: str, inserts: dict[str, str]) -> None:
    with connect(make_url(address)) as database:
        for table, insert in inserts.items():
            # Built at once over all rows, indexes take a tenth of the time.
            indexes = database.run(
                "select indexname, indexdef from pg_indexes where schemaname = 'public' "
                "and tablename = :table and indexdef not like 'CREATE UNIQUE%'",
                table=table,
            )
            for name, _ in indexes:
                database.run(f"drop index {name}")
            database.run(insert)
            for _, definition in indexes:
                database.run(definition)
            database.run(f"vacuum analyze {table}")


@dataclass(frozen=True)
class Plan:
    """What Postgres did for one statement: the nodes of its plan."""

    statement: str
    nodes: list[dict[str, Any]]

    def scans(self, kind: str, table: str) -> bool:
        return any(node["Node Type"] == kind and node.get("Relation Name") == table for node in self.nodes)

    @property
    def rows_read(self) -> int:
        """How many rows of tables it looked at, those that it then left out among them."""
        left_out = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
        return sum(
            int(sum(node.get(key, 0) for key in ("Actual Rows", *left_out)) * node["Actual Loops"])
            for node in self.nodes
            if "Relation Name" in node
        )

    def begins_at_the_cursor(self, column: str) -> bool:
        """Whether it enters an index where the page before ended, and skips no row before that."""
        comparison = re.compile(rf"(ROW\()?\(?{column}\)?(::text)?(, id\))? [<>]")
        return any(comparison.search(node.get("Index Cond", "")) for node in self.nodes)


@dataclass
class Explainer:
    """Asks Postgres for the plans of what repositories send."""

    engine: Engine
    _sent: list[tuple[str, Any]] = field(default_factory=list)
    _offset: int = 0

    def __post_init__(self) -> None:
        event.listen(self.engine, "before_cursor_execute", self._note, retval=True)

    def _note(self, *call: Any) -> tuple[str, Any]:
        _connection, _cursor, statement, parameters, *_ = call
        if statement.startswith("explain"):
            return statement, parameters
        self._sent.append((statement, parameters))
        return f"{statement} OFFSET {self._offset}" if self._offset else statement, parameters

    def plans(self, page: Page, cursor: str | None) -> list[Plan]:
        """The plans of all statements for a page."""
        self._sent.clear()
        with self.engine.connect() as connection:
            page(connection, PageParameters(PAGE, cursor))
            return [self._plan(connection, *sent) for sent in list(self._sent)]

    @staticmethod
    def _plan(connection: Connection, statement: str, parameters: Any) -> Plan:
        explained = connection.exec_driver_sql(f"explain (analyze, format json) {statement}", parameters)
        told = explained.scalar_one()
        (root,) = json.loads(told) if isinstance(told, str) else told
        return Plan(" ".join(statement.split()), list(_nodes(root["Plan"])))

    def cursor(self, page: Page) -> tuple[str | None, bool]:
        """The cursor of the hundredth page, and True; of the second row and False where there are fewer.

        `page` takes one statement here, which begins later.
        """
        with self.engine.connect() as connection:
            for depth in (_DEPTH, 0):
                self._offset = depth
                try:
                    _, cursor = page(connection, PageParameters(1, None))
                finally:
                    self._offset = 0
                if cursor is not None:
                    return cursor, depth == _DEPTH
        return None, False


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def explainer(address: str) -> Explainer:
    """An explainer for the database at `address`, as its owner."""
    return Explainer(build_engine(make_url(address), "plans", pool_size=1))
