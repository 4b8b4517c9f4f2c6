"""Every stored ciphertext brought under the first key of ENCRYPTION_KEYS, while functions read and write."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Dialect, TextClause, func, select, text, tuple_

from common.encrypted_columns import ENCRYPTED, EncryptedColumn
from common.encryption import DecryptionFailed, decrypt, encrypt, key_names
from common.models import Base

LOCK: Final = int.from_bytes(b"lambtext")
# What is written meanwhile, or held by a function at the moment, is left for the next pass.
PASSES: Final = 5
# A key's name is all before the last dot, and base64 has none.
_HEAD: Final = 256


class AlreadyRunning(Exception):
    """Another re-encryption of this database is running."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one column has come."""

    column: EncryptedColumn
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is stored now: ciphertexts by the name of their key, and how many of those cannot be opened."""

    stored: Counter[str]
    unreadable: Counter[str]


@contextmanager
def only_one(connection: Connection) -> Iterator[None]:
    """Hold the re-encryption of this database. Raises AlreadyRunning."""
    taken = connection.execute(select(func.pg_try_advisory_lock(LOCK))).scalar_one()
    connection.commit()
    if not taken:
        raise AlreadyRunning
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(select(func.pg_advisory_unlock(LOCK)))
        connection.commit()


def reencrypt(connection: Connection, report: Callable[[Progress], None]) -> Outcome:
    """Encrypt anew whatever names another key than the first.

    Each batch is a transaction of its own, so an interrupted run is resumed by another. A row is replaced
    only if it still holds what was read, and one that is locked is passed over: nobody waits for this, and
    this overwrites nothing. Raises what the database raises.
    """
    unreadable: Counter[str] = Counter()
    for column in ENCRYPTED:
        unreadable += _Column(connection, column, report).work_off()
    return Outcome(count(connection), unreadable)


def count(connection: Connection) -> Counter[str]:
    """The stored ciphertexts by the name of their key, in all columns."""
    stored: Counter[str] = Counter()
    for column in ENCRYPTED:
        named = select(_name_of(column).label("name")).where(_value(column).is_not(None)).subquery()
        statement = select(named.c.name, func.count()).group_by(named.c.name)
        stored.update({str(name): number for name, number in connection.execute(statement)})
    connection.commit()
    return stored


def _value(column: EncryptedColumn) -> ColumnElement[Any]:
    return Base.metadata.tables[column.table].c[column.column]


def _key(column: EncryptedColumn) -> list[ColumnElement[Any]]:
    return [Base.metadata.tables[column.table].c[name] for name in column.key]


def _name_of(column: EncryptedColumn) -> ColumnElement[str]:
    # The head alone, as the rest may be large and is stored elsewhere.
    return func.coalesce(func.substring(func.left(_value(column), _HEAD), r"^(.*)\."), "")


class _Column:
    """The work on one column."""

    def __init__(
        self, connection: Connection, column: EncryptedColumn, report: Callable[[Progress], None]
    ) -> None:
        self._connection = connection
        self._column = column
        self._report = report
        self._stale = _name_of(column).is_distinct_from(key_names()[0]) & _value(column).is_not(None)
        self._replacement = _replacement(column, connection.dialect)
        self._done = 0
        self._total = 0

    def work_off(self) -> Counter[str]:
        """The names of the keys of what could not be opened, and how often."""
        for _ in range(PASSES):
            before = self._done
            left = self._count()
            self._total = self._done + left
            self._report(Progress(self._column, self._done, self._total))
            unreadable = self._pass()
            if self._done == before or self._count() == unreadable.total():
                break
        return unreadable

    def _count(self) -> int:
        table = Base.metadata.tables[self._column.table]
        number = self._connection.execute(select(func.count()).select_from(table).where(self._stale))
        found = int(number.scalar_one())
        self._connection.commit()
        return found

    def _pass(self) -> Counter[str]:
        unreadable: Counter[str] = Counter()
        last: Sequence[Any] | None = None
        while rows := self._read(last):
            last = rows[-1][:-1]
            self._done += self._replace(rows, unreadable)
            self._report(Progress(self._column, self._done, self._total))
        return unreadable

    def _read(self, last: Sequence[Any] | None) -> Sequence[Sequence[Any]]:
        key = _key(self._column)
        statement = select(*key, _value(self._column)).where(self._stale).order_by(*key)
        if last is not None:
            statement = statement.where(tuple_(*key) > tuple_(*last))
        rows = self._connection.execute(statement.limit(self._column.batch)).all()
        self._connection.commit()
        return rows

    def _replace(self, rows: Sequence[Sequence[Any]], unreadable: Counter[str]) -> int:
        keys: list[list[Any]] = []
        olds: list[str] = []
        news: list[str] = []
        for *key, old in rows:
            context = self._column.context(*key)
            try:
                new = encrypt(decrypt(old, context), context)
            except DecryptionFailed:
                unreadable[old.rpartition(".")[0]] += 1
                continue
            keys.append(key)
            olds.append(old)
            news.append(new)
        if not keys:
            return 0
        parameters = {f"key_{number}": list(values) for number, values in enumerate(zip(*keys, strict=True))}
        replaced = self._connection.execute(self._replacement, parameters | {"old": olds, "new": news})
        number = len(replaced.all())
        self._connection.commit()
        return number


def _replacement(column: EncryptedColumn, dialect: Dialect) -> TextClause:
    """One statement for a batch: locks what it finds free and unchanged, then replaces it."""
    types = [each.type.compile(dialect) for each in _key(column)]
    arrays = ", ".join(f"cast(:key_{number} as {kind}[])" for number, kind in enumerate(types))
    names = ", ".join(column.key)
    same = " and ".join(f"stored.{name} = free.{name}" for name in column.key)
    return text(f"""
        with given ({names}, old, new) as (
            select * from unnest({arrays}, cast(:old as text[]), cast(:new as text[]))
        ), free as (
            select {names}, new from {column.table} as stored join given using ({names})
            where stored.{column.column} = old
            order by {names} for no key update of stored skip locked
        )
        update {column.table} as stored set {column.column} = free.new from free where {same} returning 1
    """)  # noqa: S608 - names of the registry
