"""Artifacts of the code of before, on a database that it has used and that today's migrations have moved."""

import platform
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest

from infra.build.runtime_api import RuntimeApi
from infra.build.sandbox import runtime_folder
from infra.build.targets import MIGRATE, Architecture
from migrations import runner
from tests.common.mail.smtp import Mailbox, smtp_server
from tests.previous import base
from tests.support.instances import BASE, InstancesTransport, Start, instances
from tests.support.postgres import Databases

MACHINE: Final[Architecture] = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
PASSWORD: Final = "correct horse battery staple"
_MIGRATION_SECONDS: Final = 120
# In the functions' own log, and what the runtime says where they cannot.
_FAILURE: Final = re.compile(r'"level": "(error|critical)"|^\[ERROR\]|^Traceback')


@pytest.fixture(scope="session")
def before() -> base.Base:
    """Which code that is; where there is none, what asks for it is skipped."""
    try:
        return base.find()
    except base.NoHistory as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def artifacts(before: base.Base) -> Iterator[dict[str, Path]]:
    """The folder of each artifact."""
    with tempfile.TemporaryDirectory(prefix="lambkin-before-") as folder:
        base.check_out(before, Path(folder))
        yield base.build(Path(folder), MACHINE)


@dataclass(frozen=True)
class Before:
    """Functions of before, each in its instance, which goes on across the migration."""

    client: httpx.Client
    start: Start
    mailbox: Mailbox
    log: Path

    def jobs(self, function: str) -> RuntimeApi:
        """Where the jobs of a function run."""
        return self.start(function, f"functions.{function}.jobs.handler")

    def do_jobs(self) -> None:
        """Have `auth` do what was asked of it, and `worker` send the mails of that."""
        for function in ("auth", "worker"):
            assert self.jobs(function).invoke({"source": "aws.events"}) == {"batchItemFailures": []}

    def failures(self) -> list[str]:
        """What has gone wrong in any of them, by their log."""
        return [line for line in self.log.read_text(encoding="utf-8").splitlines() if _FAILURE.search(line)]

    def register(self, email: str) -> dict[str, str]:
        """An account, made through the functions and signed in: its tokens."""
        account = {"email": email, "password": PASSWORD, "name": "Ada"}
        assert self.client.post("/v1/auth/register", json=account).status_code == 202
        self.do_jobs()
        [mail] = [each for each in self.mailbox.mails if each["To"] == email]
        text = mail.get_body(("plain",))
        assert text is not None
        token = text.get_content().partition("token=")[2].split()[0]
        verified = self.client.post("/v1/auth/verify-email", json={"token": token})
        assert verified.status_code == 200, verified.text
        signed_in = self.client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
        assert signed_in.status_code == 200, signed_in.text
        tokens: dict[str, str] = signed_in.json()
        return tokens


@pytest.fixture(scope="session")
def database(databases: Databases) -> Iterator[str]:
    """An empty database, for the migrations of before."""
    yield databases.create("before", migrated=False)
    databases.drop("before")


@pytest.fixture(scope="session")
def functions_of_before(
    artifacts: dict[str, Path], database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Before]:
    """The functions of before on the schema of before."""
    log_file = tmp_path_factory.mktemp("before") / "log"
    with (
        smtp_server() as (mailbox, port),
        log_file.open("wb") as log,
        instances(artifacts, runtime_folder(), _environment(database, port), log) as start,
        httpx.Client(transport=InstancesTransport(start), base_url=BASE) as client,
    ):
        start(MIGRATE, "migrations.handler.handler").invoke({}, _MIGRATION_SECONDS)
        yield Before(client, start, mailbox, log_file)


def _environment(database: str, mail_port: int) -> dict[str, str]:
    return {
        "STAGE": "test",
        "DATABASE_URL": database,
        "PASSWORD_HASH_KIB": "8",
        "PASSWORD_HASH_PASSES": "1",
        "QUEUES": "false",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "MAIL_TRANSPORT": "smtp",
        "SMTP_URL": f"smtp://127.0.0.1:{mail_port}",
        "LOG_FORMAT": "json",
    }


@pytest.fixture(scope="session")
def tokens_of_before(functions_of_before: Before) -> dict[str, str]:
    """Those of an account that was made, and signed in, before the migration."""
    return functions_of_before.register("before@lambkin.example")


@pytest.fixture(scope="session")
def migrated(functions_of_before: Before, tokens_of_before: dict[str, str], database: str) -> Before:
    """The functions of before, once today's code has brought the database to today's head."""
    runner.upgrade(database)
    return functions_of_before
