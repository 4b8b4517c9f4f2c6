"""What a stack will consist of, decided before anything is started."""

import os
import signal
import socket
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from infra.local import emulator as emulators
from infra.local import environment, postgres
from infra.local.home import PROJECT, Home, Secrets, load_secrets
from infra.local.ports import choose, free_port, is_free, listen
from infra.local.processes import Spec
from infra.local.waiting import served_by

DEFAULT_PORT = 8000
SERVER_STOP = 11.0  # seconds; longer than the server takes to end what is under way


@dataclass(frozen=True)
class Options:
    """What `lambkin up` was asked for. Port 0 is a free one, `postgres_port` None the usual one if free."""

    port: int = DEFAULT_PORT
    postgres_port: int | None = None
    emulator_port: int = emulators.DEFAULT_PORT
    transport: str = "http"
    reload: bool = True
    demo: bool = True


@dataclass(frozen=True)
class Plan:
    """The parts of a stack. `cluster` and `emulator` are None where the environment names others."""

    home: Home
    options: Options
    secrets: Secrets
    sockets: tuple[socket.socket, ...]
    cluster: postgres.Cluster | None
    emulator: emulators.Emulator | None
    environment: dict[str, str]

    @property
    def port(self) -> int:
        """The gateway's port."""
        return int(self.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Where the gateway answers."""
        return f"http://localhost:{self.port}"

    def log(self, name: str) -> Path:
        """The log of a child."""
        return self.home.logs / f"{name}.log"


def make_plan(home: Home, options: Options, mail_port: int) -> Plan:
    """Choose ports and places. Raises `PortTaken` and `PostgresUnusable`."""
    secrets = load_secrets(home)
    sockets = tuple(listen(options.port, "--port"))
    cluster = None
    database_url = os.environ.get("DATABASE_URL", "")
    if not database_url:
        cluster = postgres.locate(home, _postgres_port(options.postgres_port))
        database_url = cluster.url(secrets)
    emulator = None
    if environment.endpoint() is None:
        port = choose("AWS emulator", options.emulator_port, "--emulator-port")
        emulator = emulators.locate(home, port, mail_port)
    settings = environment.for_functions(
        home,
        secrets,
        url=f"http://localhost:{sockets[0].getsockname()[1]}",
        database_url=database_url,
        emulator_url=emulator.url if emulator else None,
    )
    settings["LAMBKIN_KEEPS_MAIL"] = "1" if emulator else "0"
    return Plan(home, options, secrets, sockets, cluster, emulator, settings)


def _postgres_port(wanted: int | None) -> int:
    if wanted is not None:
        return choose("database", wanted, "--postgres-port")
    return postgres.DEFAULT_PORT if is_free(postgres.DEFAULT_PORT) else free_port()


def postgres_spec(plan: Plan, cluster: postgres.Cluster) -> Spec:
    """The database. SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one."""
    return Spec(
        name="database",
        command=cluster.command(),
        environment={name: value for name, value in os.environ.items() if not name.startswith("PG")},
        log=plan.log("postgres"),
        ready=lambda _pid: postgres.ready(cluster, plan.secrets),
        stop=((signal.SIGINT, 10.0), (signal.SIGQUIT, 3.0)),
        death=signal.SIGINT,
        account=cluster.account,
    )


def emulator_spec(plan: Plan, emulator: emulators.Emulator) -> Spec:
    """The emulator; SIGTERM makes it write its state."""
    return Spec(
        name="emulator",
        command=emulator.command(),
        environment=emulator.environment(os.environ),
        log=plan.log("emulator"),
        ready=lambda _pid: emulators.ready(emulator),
        stop=((signal.SIGTERM, 8.0),),
        death=signal.SIGTERM,
    )


def server_spec(plan: Plan) -> Spec:
    """The gateway with all functions."""
    descriptors = tuple(listener.fileno() for listener in plan.sockets)
    arguments = [",".join(map(str, descriptors)), plan.options.transport]
    return Spec(
        name="server",
        command=[sys.executable, "-m", "infra.local.server", *arguments],
        environment=plan.environment,
        log=plan.log("server"),
        ready=partial(served_by, plan.port),
        descriptors=descriptors,
        stop=((signal.SIGTERM, SERVER_STOP),),
        directory=PROJECT,
    )


def jobs_spec(plan: Plan) -> Spec:
    """The feed of the job handlers; it lets a handler that is at work finish."""
    return Spec(
        name="jobs",
        command=[sys.executable, "-m", "infra.local.jobs"],
        environment=plan.environment,
        log=plan.log("jobs"),
        stop=((signal.SIGTERM, 10.0),),
        directory=PROJECT,
    )
