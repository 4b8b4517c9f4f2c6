import asyncio
import dataclasses
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pg8000.native
import pytest

from infra.local import postgres
from infra.local.erase import erase
from infra.local.home import Home, Secrets, load_secrets
from infra.local.ports import LOOPBACK, free_port


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Under root it is in a folder that the cluster's account cannot enter, as a checkout in /root is."""
    made = Home(tmp_path / "lambkin")
    made.create()
    yield made
    erase(made)


@pytest.fixture
def cluster(home: Home) -> postgres.Cluster:
    made = postgres.locate(home, free_port())
    assert postgres.create(made, load_secrets(home)) is True
    return made


@contextmanager
def running(cluster: postgres.Cluster, secrets: Secrets) -> Iterator[subprocess.Popen[bytes]]:
    uid, gid = cluster.account or (None, None)
    server = subprocess.Popen(
        cluster.command(),
        user=uid,
        group=gid,
        extra_groups=None if uid is None else [],
        cwd="/",
        stderr=subprocess.DEVNULL,
    )
    try:
        asyncio.run(postgres.ready(cluster, secrets))
        yield server
    finally:
        postgres.stop_left_over(cluster)
        server.wait(10)


def ask(cluster: postgres.Cluster, secrets: Secrets, question: str) -> Any:
    connection = pg8000.native.Connection(
        postgres.OWNER,
        LOOPBACK,
        postgres.DATABASE,
        cluster.port,
        secrets.database_password,
        ssl_context=False,
    )
    try:
        return connection.run(question)
    finally:
        connection.close()


def test_the_owner_makes_roles_but_is_no_superuser(cluster: postgres.Cluster, home: Home) -> None:
    secrets = load_secrets(home)
    with running(cluster, secrets):
        found = ask(
            cluster,
            secrets,
            "select rolsuper, rolcreaterole, pg_get_userbyid(datdba) "
            "from pg_roles, pg_database where rolname = current_user and datname = current_database()",
        )
        assert found == [[False, True, postgres.OWNER]]
        extensions = {row[0] for row in ask(cluster, secrets, "select extname from pg_extension")}
        assert set(postgres.EXTENSIONS) <= extensions


def test_a_server_that_was_left_is_ended_once(cluster: postgres.Cluster, home: Home) -> None:
    with running(cluster, load_secrets(home)) as server:
        assert postgres.stop_left_over(cluster) is True
        assert server.wait(10) == 0
        assert postgres.stop_left_over(cluster) is False


def test_another_password_than_the_kept_one_is_one_sentence(cluster: postgres.Cluster, home: Home) -> None:
    secrets = load_secrets(home)
    other = dataclasses.replace(secrets, database_password="another")
    with (
        running(cluster, secrets),
        pytest.raises(postgres.PostgresUnusable, match=r"another password than secrets\.json"),
    ):
        asyncio.run(postgres.ready(cluster, other))


def test_a_cluster_is_made_once_also_after_an_interrupted_attempt(home: Home) -> None:
    cluster = postgres.locate(home, free_port())
    draft = postgres.draft_of(cluster.folder)
    draft.mkdir(parents=True)
    (draft / "half").touch()

    assert postgres.create(cluster, load_secrets(home)) is True
    assert not draft.exists()
    assert postgres.create(cluster, load_secrets(home)) is False


def test_a_program_that_fails_says_why(home: Home) -> None:
    cluster = postgres.locate(home, free_port())
    wrong = dataclasses.replace(load_secrets(home), superuser_password="it's no SQL")

    with pytest.raises(postgres.PostgresUnusable, match="postgres failed"):
        postgres.create(cluster, wrong)
    assert not (cluster.folder / "PG_VERSION").exists()
