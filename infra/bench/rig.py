"""What every measure runs on: a Postgres of its own, accounts in it, and child processes that end with us."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, redirect_stdout, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, Self

import pg8000.native
from sqlalchemy import URL, make_url

from common.settings import Settings
from infra.local import launch
from infra.local.home import PROJECT, Home, Secrets
from infra.local.ports import LOOPBACK, free_port
from infra.local.postgres import DATABASE, OWNER, Cluster, create, locate
from migrations import runner

POOL = 5
PATIENCE = 60.0  # seconds for a server to answer, and for a child to end


class BenchFailed(Exception):
    """A child ended or did not answer; the message holds the end of its log."""


class Rig:
    """The surroundings of one run; `open_rig` makes one."""

    def __init__(self, folder: Path, environment: Mapping[str, str], stack: ExitStack) -> None:
        self.folder = folder
        self.environment = dict(environment)
        self._stack = stack

    def copy(self, name: str) -> Self:
        """The same with a copy of its database. Nothing may be connected to it while it is copied."""
        url = make_url(self.environment["DATABASE_URL"])
        with closing(connect(url)) as connection:
            connection.run(f'create database "{name}" template "{url.database}"')
        own = {"DATABASE_URL": url.set(database=name).render_as_string(hide_password=False)}
        return type(self)(self.folder, self.environment | own, self._stack)

    def having(self, **environment: str) -> Self:
        """The same with these settings as well."""
        return type(self)(self.folder, self.environment | environment, self._stack)

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        answers: Callable[[], bool],
    ) -> None:
        """Run a program until the run ends; returns once it `answers`. Raises BenchFailed.

        It is killed in the end: what it keeps goes with us.
        """
        log = self.log(name)
        with log.open("ab") as file:
            process = _launch(command, file, environment=environment)
        self._stack.callback(_end, process, signal.SIGKILL)
        _until(answers, process, log)

    def ask(
        self,
        module: str,
        question: Mapping[str, Any],
        *,
        options: Sequence[str] = (),
        patience: float = PATIENCE,
        isolated: bool = False,
    ) -> Any:  # noqa: ANN401 - what the child says in JSON
        """Run `infra.bench.<module>` on a question in JSON, return its answer. Raises BenchFailed.

        An `isolated` child sees the standard library and what it puts on its path itself.
        """
        log = self.log(module)
        with log.open("wb") as errors:
            try:
                ended = subprocess.run(
                    _isolated(module, options) if isolated else _command(module, (), options),
                    input=json.dumps(question).encode(),
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=self.environment,
                    cwd=PROJECT,
                    timeout=patience,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise BenchFailed(f"{module} took more than {patience:g} s. {_tail(log)}") from None
        if ended.returncode != 0:
            raise BenchFailed(f"{module} ended with {ended.returncode}. {_tail(log)}")
        # Before it stands what the log said: that a statement was slow, say.
        return json.loads(ended.stdout.rstrip().rpartition(b"\n")[2])

    def log(self, module: str) -> Path:
        """What the last child of this module wrote to its standard error."""
        return self.folder / f"{module}.log"

    def serve(self, application: str) -> int:
        """Start uvicorn, one worker, on `module:name` until the run ends; returns its port."""
        return self.serve_all(application)[0]

    def serve_all(self, *applications: str) -> list[int]:
        """The same for several, each in a process of its own: they start beside each other."""
        started = [self._serve(application) for application in applications]
        for port, process in started:
            _until(partial(_serves, port), process, self.folder / "server.log")
        return [port for port, _ in started]

    def _serve(self, application: str) -> tuple[int, subprocess.Popen[bytes]]:
        log = self.folder / "server.log"
        with socket.create_server((LOOPBACK, 0), backlog=512) as listener, log.open("ab") as file:
            port = int(listener.getsockname()[1])
            process = _launch(
                _command("server", (application, str(listener.fileno()))),
                file,
                environment=self.environment,
                descriptors=(listener.fileno(),),
            )
            self._stack.callback(_end, process, signal.SIGTERM)
        return port, process


@contextmanager
def open_rig(progress: Callable[[str], None]) -> Iterator[Rig]:
    """A migrated database and what runs beside it, all gone in the end. Raises BenchFailed."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="lambkin-bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)  # under root, another account runs Postgres
        progress("starting Postgres")
        url = _start_postgres(folder, stack)
        progress("migrating")
        with (folder / "migrations.log").open("w") as log, redirect_stdout(log):
            runner.upgrade(url)
        yield Rig(folder, _environment(folder, url), stack)


def connect(url: URL) -> pg8000.native.Connection:
    """A bare connection, as the owner."""
    return pg8000.native.Connection(
        url.username or "", url.host or "", url.database, url.port or 0, url.password, ssl_context=False
    )


def _environment(folder: Path, database_url: str) -> dict[str, str]:
    own = {name.upper() for name in Settings.model_fields}
    # Whatever is set for another stack here would be measured with; bytecode must be kept, as it is deployed.
    left_out = own | {"PYTHONDONTWRITEBYTECODE", "PYTHONASYNCIODEBUG", "AWS_LAMBDA_FUNCTION_NAME"}
    kept = {name: value for name, value in os.environ.items() if name.upper() not in left_out}
    return kept | {
        "STAGE": "local",
        "DATABASE_URL": database_url,
        "DATABASE_POOL_SIZE": str(POOL),
        "RATE_LIMITS": "false",
        "QUEUES": "false",
        "LOG_FORMAT": "json",
        "SERVER_SECRET": secrets.token_urlsafe(32),
        "ACCESS_TOKEN_SECONDS": "3600",
        "LAMBKIN_BENCH_LOG": str(folder / "functions.log"),
    }


def _isolated(module: str, options: Sequence[str]) -> list[str]:
    child = Path(__file__).with_name(f"{module}.py")
    return [sys.executable, "-I", "-S", "-B", *options, str(child)]


def _command(module: str, arguments: Sequence[str], options: Sequence[str] = ()) -> list[str]:
    return [sys.executable, *options, "-m", f"infra.bench.{module}", *arguments]


def _launch(
    command: Sequence[str],
    log: IO[bytes],
    *,
    environment: Mapping[str, str] | None = None,
    account: tuple[int, int] | None = None,
    descriptors: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    orders = [str(number) for number in (os.getpid(), int(signal.SIGKILL), *(account or (0, 0)))]
    return subprocess.Popen(
        [sys.executable, "-I", "-S", launch.__file__, *orders, *command],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=environment,
        cwd=PROJECT,
        pass_fds=descriptors,
        start_new_session=True,  # Ctrl-C is for us, and we end them
    )


def _start_postgres(folder: Path, stack: ExitStack) -> str:
    """The embedded server with the settings that a user would have: what is committed reaches the disk."""
    made = Secrets.generate()
    cluster = locate(Home(folder), free_port())
    stack.callback(shutil.rmtree, cluster.folder, ignore_errors=True)
    create(cluster, made)
    log = folder / "postgres.log"
    with log.open("ab") as file:
        process = _launch(cluster.command(), file, account=cluster.account)
    stack.callback(_end, process, signal.SIGQUIT)
    _until(lambda: _accepts(cluster, made), process, log)
    return cluster.url(made)


def _accepts(cluster: Cluster, made: Secrets) -> bool:
    with suppress(pg8000.native.Error, OSError):
        pg8000.native.Connection(
            OWNER, LOOPBACK, DATABASE, cluster.port, made.database_password, ssl_context=False, timeout=5
        ).close()
        return True
    return False


def _serves(port: int) -> bool:
    with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return connection.recv(64).startswith(b"HTTP/1.1 ")
    return False


def _until(condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchFailed(f"A child did not start. {_tail(log)}")
        time.sleep(0.02)


def _end(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    process.send_signal(number)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _tail(log: Path) -> str:
    with suppress(OSError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    return ""
