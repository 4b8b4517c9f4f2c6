"""Is it Postgres that answers, does it admit the functions, and does the database fit the code?"""

import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sqlalchemy import URL, Connection, NullPool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from common.database.engine import Timeouts, connect_arguments
from common.database.faults import sqlstate
from common.database.roles import function_url
from common.models.ownership import OWNERSHIP
from infra.doctor import exchange
from infra.doctor.findings import Check, Finding, failed, ok
from infra.doctor.network import Way

APPLICATION: Final = "lambkin-doctor"
# "Frontend/Backend Protocol", section "SSL Session Encryption": it answers with one byte, S or N.
_TLS_REQUEST: Final = bytes.fromhex("0000000804d2162f")
_PRIVILEGES: Final = ("select", "insert", "update", "delete")
_PATIENCE: Final = Timeouts(connect=2.0, statement=3.0, lock=1.0)

_WORDS: Final = {
    "password authentication failed": "28P01",
    "no pg_hba.conf entry": "28000",
    "too many connections": "53300",
    "remaining connection slots": "53300",
    "permission denied for database": "42501",
    "the database system is": "57P03",
    "does not exist": "3D000",
}

_OF_SERVER: Final = text("""
    select extract(epoch from clock_timestamp())::float8 as clock,
        current_setting('max_connections')::int as most,
        current_setting('superuser_reserved_connections')::int
            + coalesce(current_setting('reserved_connections', true), '0')::int as reserved,
        (select count(*) from pg_stat_activity where backend_type = 'client backend') as in_use,
        (select array_agg(extname::text) from pg_extension) as installed,
        (select array_agg(name::text) from pg_available_extensions) as available,
        to_regclass('alembic_version') is not null as migrated
""")
_READABLE: Final = text("select has_table_privilege('alembic_version', 'select')")
_REVISION: Final = text("select version_num from alembic_version")
_LACKING: Final = text("""
    select wanted.name, wanted.privilege
    from unnest(cast(:names as text[]), cast(:privileges as text[])) as wanted (name, privilege)
    where to_regclass(wanted.name) is not null and not has_table_privilege(wanted.name, wanted.privilege)
    order by 1, 2
""")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the server told: times in seconds; `revision` is empty where nothing was migrated."""

    clock: float
    read_at: float
    most: int
    reserved: int
    in_use: int
    installed: frozenset[str]
    available: frozenset[str]
    revision: str


class Postgres:
    """The checks that ask the server; what it said is in `facts` and `lacking` for those that judge."""

    def __init__(self, way: Way | None, functions: Sequence[str]) -> None:
        """`way` is None for a socket in the file system."""
        self._way = way
        self._urls = {function: function_url(function) for function in functions}
        self._offers_tls = True
        self.facts: Facts | None = None
        self.lacking: dict[str, list[str]] = {}

    @property
    def checks(self) -> tuple[Check, ...]:
        """The chain, as far as it needs the server."""
        if self._way is None:
            return (Check("sign-in", self.sign_in),)
        answers = Check("answers", partial(self.answers, self._way))
        return (*self._way.checks, answers, Check("sign-in", self.sign_in))

    def answers(self, way: Way) -> Iterator[Finding]:
        """Postgres, or who?"""
        said = _greet(way)
        if isinstance(said, Finding):
            yield said
            return
        self._offers_tls = said == b"S"
        wants = _wants_tls(next(iter(self._urls.values())))
        if not said:
            yield failed(
                "It closes the connection: not Postgres, or a proxy whose server is gone.",
                "See the server's log, and whether DATABASE_URL names the right port.",
            )
        elif said not in (b"S", b"N"):
            yield failed(
                "Something else answers, not Postgres.",
                "Stop what holds the port, or correct DATABASE_URL (Postgres is usually on 5432).",
            )
        elif wants and not self._offers_tls:
            yield failed(
                "Postgres offers no TLS, and the functions want it.",
                "Turn it on in Postgres (`ssl = on`), or set DATABASE_TLS=false on a network that you trust.",
            )
        else:
            yield ok(f"Postgres answers, {'with' if wants else 'without'} TLS.")

    def sign_in(self) -> Iterator[Finding]:
        """Connect as each function does."""
        admitted = []
        for function, url in self._urls.items():
            try:
                self._look(function, url)
            except (SQLAlchemyError, OSError, ImportError) as error:
                yield refusal(url, error)
                return
            admitted.append(str(url.username))
        yield ok(
            f"It admits {', '.join(dict.fromkeys(admitted))} to {next(iter(self._urls.values())).database}."
        )

    def _look(self, function: str, url: URL) -> None:
        arguments = connect_arguments(url, APPLICATION, _PATIENCE)
        engine = create_engine(url, poolclass=NullPool, connect_args=arguments, hide_parameters=True)
        with engine.connect() as connection:
            self.facts = self.facts or _read(connection)
            self.lacking[function] = _lacking(connection, function)


def _greet(way: Way) -> bytes | Finding:
    """The byte with which Postgres answers the wish for TLS."""
    seconds = exchange.ANSWER_SECONDS
    try:
        with socket.create_connection((way.peer, way.target.port), seconds) as connection:
            connection.sendall(_TLS_REQUEST)
            return connection.recv(1)
    except TimeoutError:
        return failed(
            f"It takes connections and says nothing within {seconds:g} s: not Postgres, or one that hangs.",
            "Does DATABASE_URL name the right port? See the server's log.",
        )
    except OSError:
        return b""


def _wants_tls(url: URL) -> bool:
    arguments = connect_arguments(url, APPLICATION, _PATIENCE)
    return bool(arguments.get("ssl_context")) or arguments.get("sslmode") == "verify-full"


def _read(connection: Connection) -> Facts:
    before = time.time()
    row = connection.execute(_OF_SERVER).one()
    read_at = (before + time.time()) / 2
    revision = ""
    if row.migrated and connection.scalar(_READABLE):
        revision = connection.scalar(_REVISION) or ""
    return Facts(
        clock=row.clock,
        read_at=read_at,
        most=row.most,
        reserved=row.reserved,
        in_use=row.in_use,
        installed=frozenset(row.installed or ()),
        available=frozenset(row.available or ()),
        revision=revision,
    )


def _lacking(connection: Connection, function: str) -> list[str]:
    """The rights of the ownership map that the function's role does not have, on the tables that exist."""
    wanted = [
        (f"public.{table}", privilege)
        for table, ownership in OWNERSHIP.items()
        for privilege in _PRIVILEGES
        if function in getattr(ownership, privilege)
    ]
    names, privileges = zip(*wanted, strict=True) if wanted else ((), ())
    rows = connection.execute(_LACKING, {"names": list(names), "privileges": list(privileges)})
    return [f"{row.privilege} on {row.name.removeprefix('public.')}" for row in rows]


def refusal(url: URL, error: Exception) -> Finding:
    """What Postgres has against us (PostgreSQL's appendix "Error Codes")."""
    code, who, database = sqlstate(error) or _code_in_words(error), url.username, url.database
    by_code: dict[str, tuple[str, str]] = {
        "28P01": (
            f"Postgres refuses {who}: the password is wrong, or there is no such role.",
            "Correct DATABASE_URL. Functions' passwords are made of the owner's: `lambkin migrate roles`.",
        ),
        "28000": (
            f"Postgres does not let {who} in: no such role, or no line for it in pg_hba.conf.",
            "Run `lambkin migrate roles`, or correct DATABASE_URL or pg_hba.conf.",
        ),
        "3D000": (
            f"There is no database {database}.",
            f"Create it (`createdb {database}`), or correct DATABASE_URL.",
        ),
        "53300": (
            "Postgres has no connection left.",
            "Raise max_connections, or lower DATABASE_POOL_SIZE or the number of processes.",
        ),
        "57P03": ("Postgres is starting or stopping.", "Wait a moment and look again; else see its log."),
        "42501": (f"{who} may not connect to {database}.", "Run `lambkin migrate roles`."),
    }
    if code in by_code:
        return failed(*by_code[code])
    if isinstance(error, ImportError):
        return failed(
            f"The driver {url.drivername} is not installed here.",
            "Install it, or name another in DATABASE_URL.",
        )
    if "certificate" in _told(error):
        return failed(
            "Its certificate is not accepted.", "Set DATABASE_CA_FILE to the authority that has signed it."
        )
    return failed(
        f"Connecting as {who} fails: {type(error).__name__} {code}".rstrip() + ".", "See the log of Postgres."
    )


def _code_in_words(error: Exception) -> str:
    """The code that libpq does not hand on for a connection that is refused, by what it says."""
    said = _told(error)
    return next((code for words, code in _WORDS.items() if words in said), "")


def _told(error: BaseException | None) -> str:
    cause: Any = error
    said = ""
    while cause is not None and len(said) < 2000:
        said += str(cause).lower()
        cause = cause.__cause__ or cause.__context__
    return said
