"""The whole network, once: `make test-docker` runs what is here, as it needs Caddy and a minute."""

import json
import re
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Final

import boto3
import httpx
import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import make_url

from infra.local.ports import LOOPBACK, free_port
from tests.support.network import CADDY, Network
from tests.support.ollama import FakeOllama
from tests.support.postgres import Databases
from tests.support.waiting import eventually

if not CADDY:
    collect_ignore_glob = ["test_*.py"]

# As somebody might have it in `.env`; hashes are cheap, as nothing here is about them.
GIVEN: Final = {
    "PASSWORD_HASH_KIB": "1024",
    "PASSWORD_HASH_PASSES": "1",
}

EVERYTHING_IN_S3: Final = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
}


class Mailbox:
    """An SMTP server that keeps what it gets."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Take one mail."""
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 taken"

    def token(self, to: str) -> str:
        """The token of the newest mail to an address, when it has come."""
        mine = eventually(lambda: [mail for mail in self.mails if mail["To"] and to in mail["To"]], 20)
        part = mine[-1].get_body(("plain",))
        assert part is not None
        found = re.search(r"token=([\w.-]+)", part.get_content())
        assert found
        return found[1]


@pytest.fixture(scope="session")
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    """A mailbox, and its port."""
    handler = Mailbox()
    controller = Controller(handler, hostname=LOOPBACK, port=free_port())
    controller.start()
    yield handler, controller.port
    controller.stop()


@pytest.fixture(scope="session")
def bucket_keys(ministack: int) -> dict[str, str]:
    """Keys of the network's own: the server checks what is signed with them."""
    iam = boto3.client(
        "iam",
        endpoint_url=f"http://{LOOPBACK}:{ministack}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    iam.create_user(UserName="network")
    iam.put_user_policy(UserName="network", PolicyName="network", PolicyDocument=json.dumps(EVERYTHING_IN_S3))
    made = iam.create_access_key(UserName="network")["AccessKey"]
    return {"BUCKET_ACCESS_KEY": made["AccessKeyId"], "BUCKET_SECRET_KEY": made["SecretAccessKey"]}


@pytest.fixture(scope="session")
def given(bucket_keys: dict[str, str]) -> dict[str, str]:
    """What `.env` holds."""
    return GIVEN | bucket_keys


@pytest.fixture(scope="session")
def network(
    tmp_path_factory: pytest.TempPathFactory,
    databases: Databases,
    mailbox: tuple[Mailbox, int],
    ministack: int,
    given: dict[str, str],
    ollama_server: FakeOllama,
) -> Iterator[Network]:
    """Everything that `docker compose up` starts, in its order."""
    owner = make_url(databases.create("network", migrated=False))
    database = owner.set(host="pgsql", port=5432).render_as_string(hide_password=False)
    there = {
        "pgsql:5432": owner.port or 0,
        "mailpit:1025": mailbox[1],
        "localstack:4566": ministack,
        "ollama:11434": int(ollama_server.url.rpartition(":")[2]),
    }
    made = Network(tmp_path_factory.mktemp("network"), given | {"DATABASE_URL": database}, there)
    try:
        migrated = made.run("migrate")
        assert migrated.returncode == 0, migrated.stdout + migrated.stderr
        # In place of LocalStack's own script, which needs LocalStack.
        bucket = made.run("bucket")
        assert bucket.returncode == 0, bucket.stdout + bucket.stderr
        names = [name for name, each in made.services.items() if each.get("restart") == "unless-stopped"]
        ours = [
            name for name in names if "build" in made.services[name] and "profiles" not in made.services[name]
        ]
        for name in ours:
            made.start(name, wait=False)
        for name in ours:
            eventually(lambda name=name: made.healthy(name), 60)  # type: ignore[misc]  # a lambda's default has no type
        made.start_gateway()
        yield made
    finally:
        made.stop_all()
        databases.drop("network")


@pytest.fixture
def client(network: Network) -> Iterator[httpx.Client]:
    """Somebody outside."""
    with httpx.Client(base_url=network.url, timeout=30) as made:
        yield made


@pytest.fixture
def somebody_at(network: Network) -> Iterator[Callable[[str], httpx.Client]]:
    """Somebody at another address of loopback."""
    made: list[httpx.Client] = []

    def make(address: str) -> httpx.Client:
        transport = httpx.HTTPTransport(local_address=address)
        made.append(httpx.Client(base_url=network.url, transport=transport, timeout=30))
        return made[-1]

    yield make
    for each in made:
        each.close()
