"""A real Postgres for one run of the tests, and a database for each worker and each test that asks.

The process that runs pytest starts the embedded server on a free port of loopback and migrates a template;
workers only clone it.

LAMBKIN_TEST_DATABASE_URL names an existing server instead, by the URL of a role that may create databases and
roles: use a cluster that holds nothing else, as roles belong to the whole cluster.
LAMBKIN_TEST_DATABASE_DRIVER chooses the driver of the embedded server's URL.
"""

import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Final, Self

import pg8000.native
from sqlalchemy import URL, make_url

from infra.local import launch
from infra.local.home import Home, Secrets
from infra.local.ports import free_port
from infra.local.postgres import Cluster, create, locate
from migrations import roles, runner
from migrations.connections import connected, owner_engine

_FOLDERS: Final = "lambkin-tests-"
_START_SECONDS: Final = 30.0
_ATTEMPTS: Final = 3  # another process may take the free port first
# Nothing here outlives the run, so nothing has to reach the disk.
_SETTINGS: Final = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "max_connections": "300",
    "shared_buffers": "64MB",
    "log_statement": "none",
    "log_min_messages": "fatal",
}


class PostgresDidNotStart(Exception):
    """The server ended, or did not answer; the message ends with what it said."""


@dataclass(frozen=True)
class Databases:
    """The databases of one run on one server. `url` is the owner's, `run` begins all their names."""

    url: str
    run: str

    @property
    def template(self) -> str:
        """The name of the migrated database that others are cloned from."""
        return f"{self.run}_template"

    def address(self, name: str) -> str:
        """The owner's URL of this run's database `name`."""
        return make_url(self.url).set(database=f"{self.run}_{name}").render_as_string(hide_password=False)

    def build_template(self) -> None:
        """Make the template, by the migrations."""
        self._execute(f"create database {self.template} template template0")
        with redirect_stdout(StringIO()):  # the log of it is not about any test
            runner.upgrade(self.address("template"))

    def create(self, name: str, *, migrated: bool = True) -> str:
        """Make database `name`, migrated or empty; returns the owner's URL."""
        template = self.template if migrated else "template0"
        self._execute(f"create database {self.run}_{name} template {template}")
        address = self.address(name)
        if migrated:
            # A clone has its template's tables and their grants, but not the grants on the database itself.
            with connected(owner_engine(make_url(address))) as connection:
                roles.apply_grants(connection)
        return address

    def drop(self, name: str) -> None:
        """Remove database `name`, whoever is connected to it."""
        self._execute(f"drop database if exists {self.run}_{name} with (force)")

    def drop_all(self) -> None:
        """Remove every database of this run."""
        with connect(make_url(self.url)) as server:
            rows = server.run(
                "select datname from pg_database where starts_with(datname, :run)", run=self.run
            )
            for (name,) in rows:
                server.run(f"drop database if exists {name} with (force)")

    def _execute(self, statement: str) -> None:
        with connect(make_url(self.url)) as server:
            server.run(statement)


@contextmanager
def connect(url: URL) -> Iterator[pg8000.native.Connection]:
    """A connection without SQLAlchemy: each statement commits alone, unless one begins a transaction."""
    connection = pg8000.native.Connection(
        url.username or "",
        host=url.host or "localhost",
        port=url.port or 5432,
        database=url.database,
        password=url.password,
        timeout=30,
        ssl_context=False,
    )
    try:
        yield connection
    finally:
        connection.close()


class Server:
    """The server of a run: the embedded one, started here, or an existing one."""

    def __init__(
        self, url: str, process: subprocess.Popen[bytes] | None = None, folder: Path | None = None
    ) -> None:
        self.databases = Databases(url, f"test_{secrets.token_hex(4)}")
        self._process = process
        self._folder = folder

    @classmethod
    def start(cls) -> Self:
        """Start the embedded server, unless LAMBKIN_TEST_DATABASE_URL is set. Raises PostgresDidNotStart."""
        existing = os.environ.get("LAMBKIN_TEST_DATABASE_URL")
        if existing:
            _require_answer(make_url(existing))
            return cls(existing)
        folder = _make_folder()
        try:
            return cls._start_embedded(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    @classmethod
    def _start_embedded(cls, folder: Path) -> Self:
        folder.chmod(0o755)  # under root, another account runs the server
        made = Secrets.generate()
        driver = os.environ.get("LAMBKIN_TEST_DATABASE_DRIVER", "pg8000")
        for _ in range(_ATTEMPTS):
            cluster = locate(Home(folder), free_port())
            create(cluster, made)
            process = _launch(cluster, folder / "log")
            url = make_url(cluster.url(made)).set(drivername=f"postgresql+{driver}")
            if _answers(url, process):
                return cls(url.render_as_string(hide_password=False), process, folder)
            _end(process)
        said = (folder / "log").read_text(errors="replace").splitlines()[-5:]
        raise PostgresDidNotStart(f"The tests' Postgres does not start: {' '.join(said)}")

    def stop(self) -> None:
        """End the embedded server and remove it, or remove this run's databases from an existing one."""
        if self._process is None:
            self.databases.drop_all()
            return
        _end(self._process)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _make_folder() -> Path:
    """A new folder that this process holds a lock in; those of runs that were killed are removed."""
    for left in Path(tempfile.gettempdir()).glob(f"{_FOLDERS}*"):
        with suppress(OSError), (left / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=_FOLDERS))
    # Never closed: the kernel drops the lock when this process ends, however it does.
    descriptor = os.open(folder / "draft", os.O_CREAT | os.O_WRONLY, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    (folder / "draft").rename(folder / "lock")
    return folder


def _launch(cluster: Cluster, log: Path) -> subprocess.Popen[bytes]:
    uid, gid = cluster.account or (0, 0)
    orders = [str(number) for number in (os.getpid(), int(signal.SIGQUIT), uid, gid)]
    options = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
    with log.open("ab") as file:
        # A session of its own: Ctrl-C is for the tests, which end the server when they are done.
        return subprocess.Popen(
            [sys.executable, "-I", "-S", launch.__file__, *orders, *cluster.command(), *options],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def _require_answer(url: URL) -> None:
    try:
        with connect(url):
            return
    except (pg8000.native.Error, OSError) as error:
        raise PostgresDidNotStart(f"LAMBKIN_TEST_DATABASE_URL names no server to use: {error}") from error


def _answers(url: URL, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(pg8000.native.Error, OSError), connect(url):
            return True
        time.sleep(0.02)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    # Immediate shutdown: there is nothing to keep.
    process.send_signal(signal.SIGQUIT)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
