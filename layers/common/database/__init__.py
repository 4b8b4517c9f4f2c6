"""Postgres: one engine a role, one transaction a request, as many at a time as there are connections."""

from common.database.engine import dispose_engines, get_engine
from common.database.transactions import (
    AnyRow,
    Database,
    Db,
    Reading,
    answer_in_transaction,
    get_database,
    in_reading,
    in_transaction,
)

__all__ = [
    "AnyRow",
    "Database",
    "Db",
    "Reading",
    "answer_in_transaction",
    "dispose_engines",
    "get_database",
    "get_engine",
    "in_reading",
    "in_transaction",
]
