"""pg8000 with fewer round trips: ``create_engine("postgresql+pg8000://...", module=pipelined)``.

pg8000 waits for the server after each step: 7 round trips for "BEGIN; a statement with parameters; COMMIT".
PostgreSQL lets a client send messages without waiting ("Frontend/Backend Protocol", sections "Extended Query"
and "Pipelining"): after an error the server skips all up to the next Sync, then says ReadyForQuery. So here

- BEGIN and the first statement of a transaction are one flush that ends with one Sync: a BEGIN that fails
  takes its statement with it, which two messages with a Sync each would not;
- Parse, Bind, Describe and Execute of a statement with parameters are one flush with one Sync;
- COMMIT and ROLLBACK are one simple query, or nothing where no transaction was begun;
- executemany sends many Binds a flush, few enough for the socket buffers: no side waits for the other.

Only unnamed statements and portals are used, and each lives within one Sync: safe behind a pooler in
transaction mode. The rest (start-up, authentication, types, two-phase commits) is pg8000's own code.

Errors have the classes and the ``args[0]`` of pg8000's default module (``C`` is the SQLSTATE), at COMMIT too.
Whatever else interrupts an exchange (a lost connection, a timeout, KeyboardInterrupt, a value that cannot be
decoded) closes the connection, because the rest of that reply would answer the next statement. SQLAlchemy
takes "network error" and "connection is closed" for disconnects.
"""

import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime
from functools import lru_cache
from struct import Struct, pack
from typing import Any

from pg8000 import converters, core, legacy
from pg8000.legacy import *  # noqa: F403  # a DBAPI module has all names of its driver; three are replaced below
from pg8000.legacy import (
    IntegrityError,
    InterfaceError,
    ProgrammingError,
    __version__,  # noqa: F401  # SQLAlchemy reads it
)

apilevel = "2.0"
threadsafety = 1
paramstyle = "format"

_CACHED_STATEMENTS = 512
_LONGEST_CACHED = 16_384  # characters: the cached texts stay below 16 MB
_BATCH_BYTES = 32_768  # below every default socket buffer: the server can always take a whole batch in
_READ_BYTES = 65_536
_PING = ";"  # SQLAlchemy's: it begins nothing, so a connection checked and not used has nothing to roll back

_HEADER = Struct("!ci")
_COLUMN = Struct("!ihihih")
_COLUMN_KEYS = ("table_oid", "column_attrnum", "type_oid", "type_size", "type_modifier", "format")


def _message(code: bytes, body: bytes) -> bytes:
    return code + pack("!i", len(body) + 4) + body


def _parse(statement: bytes, oids: Sequence[int] = ()) -> bytes:
    kinds = b"".join(pack("!i", 0 if oid == converters.NULLTYPE else oid) for oid in oids)
    return _message(core.PARSE, b"\0" + statement + b"\0" + pack("!H", len(oids)) + kinds)


def _bind(values: Sequence[str | None], encoding: str) -> bytes:
    parts = [pack("!2xHH", 0, len(values))]
    for value in values:
        if value is None:
            parts.append(b"\xff\xff\xff\xff")
        else:
            encoded = value.encode(encoding)
            parts += (pack("!i", len(encoded)), encoded)
    parts.append(b"\0\0")
    return _message(core.BIND, b"".join(parts))


_BEGIN = _parse(b"begin transaction") + _bind((), "ascii") + core.EXECUTE_MSG
_DESCRIBE_STATEMENT = _message(core.DESCRIBE, core.STATEMENT + b"\0")
_DESCRIBE_EXECUTE = _message(core.DESCRIBE, core.PORTAL + b"\0") + core.EXECUTE_MSG
_COPY_DECIDED = (
    core.COPY_IN_RESPONSE + core.COMMAND_COMPLETE + core.EMPTY_QUERY_RESPONSE + core.ERROR_RESPONSE
)


@lru_cache(_CACHED_STATEMENTS)
def _numbered_once(statement: str) -> str:
    return str(legacy.convert_paramstyle(paramstyle, statement, ())[0])


def _numbered(statement: str) -> str:
    """Turn each %s into $1, $2, ... and each %% into %."""
    return (_numbered_once if len(statement) <= _LONGEST_CACHED else _numbered_once.__wrapped__)(statement)


@lru_cache(_CACHED_STATEMENTS)
def _columns(description: bytes, encoding: str) -> list[dict[str, int | str]]:
    """Decode a RowDescription: the same bytes each time a statement runs. Callers only read the result."""
    columns, start = [], 2
    for _ in range(int.from_bytes(description[:2])):
        end = description.index(b"\0", start)
        fields = _COLUMN.unpack_from(description, end + 1)
        column: dict[str, int | str] = dict(zip(_COLUMN_KEYS, fields, strict=True))
        columns.append(column | {"name": description[start:end].decode(encoding)})
        start = end + 1 + _COLUMN.size
    return columns


def _iso(parse: Callable[[str], object], otherwise: Callable[[str], object]) -> Callable[[str], object]:
    """Read ISO dates and times with C code; infinity, BC and years above 9999 as pg8000 does."""

    def convert(text: str) -> object:
        try:
            return parse(text)
        except ValueError:
            return otherwise(text)

    return convert


_READ_AS_ISO = {
    converters.DATE: _iso(date.fromisoformat, converters.date_in),
    converters.TIMESTAMP: _iso(datetime.fromisoformat, converters.timestamp_in),
    converters.TIMESTAMPTZ: _iso(datetime.fromisoformat, converters.timestamptz_in),
}


def _batches(messages: Iterable[bytes]) -> Iterator[bytes]:
    batch = b""
    for message in messages:
        if batch and len(batch) + len(message) > _BATCH_BYTES:
            yield batch
            batch = b""
        batch += message
    yield batch


class Connection(legacy.Connection):  # type: ignore[misc]  # pg8000 ships no types
    """A pg8000 connection that pipelines; it takes what ``pg8000.connect`` takes."""

    _sock: Any = None
    _usock: Any = None

    def __init__(self, *args: object, **options: object) -> None:
        self._unread = b""
        try:
            super().__init__(*args, **options)
        except BaseException as error:
            # A start that failed half-way leaves a socket that nobody else knows of.
            self._abandon()
            if isinstance(error, OSError):
                raise InterfaceError(f"network error: {error}") from error
            raise
        self.pg_types.update(_READ_AS_ISO)

    def cursor(self) -> "Cursor":
        """Make a cursor whose placeholders are ``%s``."""
        return Cursor(self)

    def commit(self) -> None:
        """Commit; InterfaceError where a statement had failed, for the server rolls back then."""
        self._end("commit")

    def rollback(self) -> None:
        """Roll back."""
        self._end("rollback")

    def close(self) -> None:
        """Close; a connection that broke is closed already."""
        if self._usock is None:
            return
        reader = self._sock
        try:
            super().close()
        finally:
            # pg8000 only forgets it, and the socket stays open for as long as a traceback remembers.
            with suppress(OSError):
                reader.close()

    def run_statement(
        self, operation: str, args: Sequence[object], oids: Sequence[int], stream: object = None
    ) -> core.Context:
        """Run a statement with ``%s`` placeholders, in a transaction unless autocommit is set."""
        begin = not (self._in_transaction or self.autocommit or operation == _PING)
        several = not args and ";" in operation.rstrip("; \n")
        if begin and (several or stream is not None):
            self.execute_simple("begin transaction")  # Parse takes one statement; a COPY has its own exchange
            begin = False
        if args or stream is not None:
            return self.execute_unnamed(_numbered(operation), args, oids, stream, begin=begin)
        return self.execute_unnamed(operation, begin=True) if begin else self.execute_simple(operation)

    def run_batches(
        self, operation: str, rows: Iterable[Sequence[object]], oids: Sequence[int]
    ) -> core.Context:
        """Run one statement for each row of parameters, many a round trip, in a transaction."""
        statement, encoding = _numbered(operation), self._client_encoding
        head = _parse(statement.encode(encoding), oids) + _DESCRIBE_STATEMENT
        context = core.Context(statement)
        params = (converters.make_params(self.py_types, row) for row in rows)
        for batch in _batches(_bind(values, encoding) + core.EXECUTE_MSG for values in params):
            begin = b"" if self._in_transaction else _BEGIN
            self._exchange(begin + head + batch + core.SYNC_MSG, context)
        return context

    def execute_simple(self, statement: str) -> core.Context:
        """Run one or several statements without parameters, as the server finds them."""
        body = statement.encode(self._client_encoding) + b"\0"
        return self._exchange(_message(core.QUERY, body), core.Context(statement))

    def execute_unnamed(
        self,
        statement: str,
        vals: Sequence[object] = (),
        oids: Sequence[int] = (),
        stream: object = None,
        *,
        begin: bool = False,
    ) -> core.Context:
        """Run a statement with ``$1`` placeholders; ``begin`` opens a transaction in the same flush."""
        encoding = self._client_encoding
        values = converters.make_params(self.py_types, vals)
        messages = _parse(statement.encode(encoding), oids) + _bind(values, encoding) + _DESCRIBE_EXECUTE
        context = core.Context(statement, stream=stream)
        if stream is None:
            return self._exchange((_BEGIN if begin else b"") + messages + core.SYNC_MSG, context)
        # pg8000 ends what it copies in with a Sync; one before it would be answered only if the COPY failed.
        decided = self._converse(messages + core.FLUSH_MSG, context, _COPY_DECIDED)
        return self._exchange(b"" if decided == core.COPY_IN_RESPONSE else core.SYNC_MSG, context)

    def handle_messages(self, context: core.Context) -> None:
        """Read the reply to what pg8000's own code sent (named statements)."""
        self._exchange(b"", context)

    def handle_ERROR_RESPONSE(self, data: bytes, context: core.Context) -> None:  # noqa: N802  # pg8000's name
        """Note the error, in the class that pg8000's cursor gives it."""
        super().handle_ERROR_RESPONSE(data, context)
        fields = context.error.args[0]
        kind = {"23505": IntegrityError, "28000": InterfaceError}.get(fields.get("C"), ProgrammingError)
        context.error = kind(fields)

    def handle_ROW_DESCRIPTION(self, data: bytes, context: core.Context) -> None:  # noqa: N802  # the same
        """Note the columns and what converts each."""
        context.columns = _columns(data, self._client_encoding)
        context.input_funcs = [self.pg_types[column["type_oid"]] for column in context.columns]
        if context.rows is None:
            context.rows = []

    def _end(self, statement: str) -> None:
        if self._usock is None:
            raise InterfaceError("connection is closed")
        if self._in_transaction:
            self.execute_simple(statement)

    def _exchange(self, messages: bytes, context: core.Context) -> core.Context:
        self._converse(messages, context, core.READY_FOR_QUERY)
        if context.error is not None:
            raise context.error
        return context

    def _converse(self, messages: bytes, context: core.Context, until: bytes) -> bytes:
        """Send, handle the replies up to one whose code is in ``until``, return that code."""
        if self._usock is None:
            raise InterfaceError("connection is closed")
        try:
            self._usock.sendall(messages)
            return self._receive(context, until)
        except OSError as error:
            self._abandon()
            # What the server said last (it shuts down, the session was ended) is the better cause.
            raise InterfaceError(f"network error: {error}") from (context.error or error)
        except BaseException:
            self._abandon()
            raise

    def _receive(self, context: core.Context, until: bytes) -> bytes:
        received, start = self._unread, 0
        while True:
            end = start + _HEADER.size
            if end <= len(received):
                code, size = _HEADER.unpack_from(received, start)
                end = start + 1 + size
            if end > len(received):
                received, start = received[start:] + self._read(end - len(received)), 0
                continue
            self.message_types[code](received[start + _HEADER.size : end], context)
            start = end
            if code in until:
                self._unread = received[start:]
                return bytes(code)

    def _read(self, missing: int) -> bytes:
        # read1 takes what has arrived; read waits for all of a large row, which is then copied once.
        block: bytes = self._sock.read(missing) if missing > _READ_BYTES else self._sock.read1(_READ_BYTES)
        if not block:
            raise ConnectionResetError("the server closed the connection")
        return block

    def _abandon(self) -> None:
        reader, usock = self._sock, self._usock
        if usock is None:
            return
        self._sock = self._usock = None
        with suppress(OSError):
            usock.shutdown(socket.SHUT_RDWR)  # or closing the reader could wait to flush what it holds
        for file in (usock, reader) if reader is not None else (usock,):
            with suppress(OSError):
                file.close()


class Cursor(legacy.Cursor):  # type: ignore[misc]  # pg8000 ships no types
    """A cursor over a pipelining connection; its parameters are positional, ``%s``."""

    _c: Connection | None
    _input_oids: Sequence[int]

    @property
    def connection(self) -> Connection | None:
        """The connection that made it (PEP 249, optional extensions); pg8000's own warns."""
        return self._c

    def execute(self, operation: str, args: Sequence[object] = (), stream: object = None) -> "Cursor":
        """Run one statement; ``stream`` is what a COPY reads or writes."""
        oids, self._input_oids = self._input_oids, ()
        self._keep(self._open().run_statement(operation, args, oids, stream))
        return self

    def executemany(self, operation: str, param_sets: Iterable[Sequence[object]]) -> "Cursor":
        """Run one statement for each set of parameters; ``rowcount`` is the sum."""
        rows = list(param_sets)
        if self._open().autocommit or not all(rows):  # each commits alone, or there is nothing to bind
            super().executemany(operation, rows)
        elif rows:
            oids, self._input_oids = self._input_oids, ()
            self._keep(self._open().run_batches(operation, rows, oids))
        return self

    def _open(self) -> Connection:
        if self._c is None:
            raise InterfaceError("Cursor closed")
        return self._c

    def _keep(self, context: core.Context) -> None:
        self._context = context
        self._row_iter = iter(context.rows or ())


def connect(*args: object, **options: object) -> Connection:
    """Connect as ``pg8000.connect`` does; InterfaceError where the server cannot be reached."""
    return Connection(*args, **options)
