"""`lambkin keys reencrypt`: every ciphertext comes under the first key, beside functions that run."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from common.database import get_database
from common.encrypted_columns import ENCRYPTED, EXPORT_PART, JOB_SECRET
from common.encryption import decrypt, encrypt
from common.ids import new_id
from common.jobs import JobContext, Tasks, enqueue
from functions.auth.signing import forget_signing_key
from infra.keys import reencryption
from infra.keys.reencryption import AlreadyRunning, Progress, only_one
from tests.infra.keys.lambkin import BOTH, NEW, OLD, lambkin, refused, succeeded
from tests.support.fixtures import SettingsChange
from tests.support.waiting import eventually
from tests.support.world import World


def enqueue_secret(secret: dict[str, Any], task: str = "look") -> UUID:
    return get_database("auth").transaction(lambda session: enqueue(session, "worker", task, secret=secret))


def add_export_part(world: World, content: bytes) -> UUID:
    user, export_id = world.account(), new_id()
    world.run(
        "insert into exports (id, user_id, expires_at) values (:id, :user_id, now())",
        id=export_id,
        user_id=user.id,
    )
    world.run(
        "insert into export_parts (export_id, function, content) values (:id, 'users', :content)",
        id=export_id,
        content=encrypt(content, EXPORT_PART.context(export_id, "users")),
    )
    return export_id


def names(world: World) -> set[str]:
    """The keys that ciphertexts are under."""
    return {
        value.rpartition(".")[0]
        for column in ENCRYPTED
        for (value,) in world.rows(f"select {column.column} from {column.table}")
        if value is not None
    }


@contextmanager
def connected(world: World) -> Iterator[Connection]:
    with world.engine.connect() as connection:
        yield connection


def ignore(_: Progress) -> None:
    pass


def test_every_ciphertext_comes_under_the_first_key_and_is_read_as_before(
    own: World, settings: SettingsChange
) -> None:
    own.person()
    plain = own.scalar("select public_key from signing_keys")
    job_id = enqueue_secret({"link": "a"})
    export_id = add_export_part(own, b"{}")
    settings(ENCRYPTION_KEYS=BOTH)
    told = succeeded("reencrypt")
    assert "signing_secrets.ciphertext: 1 of 1" in told
    assert "jobs.secret: 1 of 1" in told
    assert "export_parts.content: 1 of 1" in told
    assert "Under `new`: 3." in told
    assert "Under `old.key`: none left. Remove it from ENCRYPTION_KEYS once" in told

    settings(ENCRYPTION_KEYS=NEW)
    assert names(own) == {"new"}
    forget_signing_key()
    own.person()
    assert own.scalar("select count(*) from signing_keys") == 1
    assert own.scalar("select public_key from signing_keys") == plain
    secret = own.scalar("select secret from jobs where id = :id", id=job_id)
    assert json.loads(decrypt(secret, JOB_SECRET.context(job_id))) == {"link": "a"}
    content = own.scalar("select content from export_parts")
    assert decrypt(content, EXPORT_PART.context(export_id, "users")) == b"{}"


def test_a_second_run_finds_nothing_to_do(own: World, settings: SettingsChange) -> None:
    own.person()
    settings(ENCRYPTION_KEYS=BOTH)
    succeeded("reencrypt")
    before = own.rows("select * from signing_secrets")
    assert "signing_secrets.ciphertext: 0 of 0" in succeeded("reencrypt")
    assert own.rows("select * from signing_secrets") == before


def test_an_interrupted_run_is_resumed(own: World, settings: SettingsChange) -> None:
    ids = [enqueue_secret({"number": number}) for number in range(450)]
    settings(ENCRYPTION_KEYS=BOTH)

    def interrupt(progress: Progress) -> None:
        if progress.done:
            raise KeyboardInterrupt

    with connected(own) as connection, pytest.raises(KeyboardInterrupt), only_one(connection):
        reencryption.reencrypt(connection, interrupt)
    assert own.scalar("select count(*) from jobs where secret like 'new.%'") == 200
    assert "jobs.secret: 250 of 250" in succeeded("reencrypt")
    for job_id in ids:
        secret = own.scalar("select secret from jobs where id = :id", id=job_id)
        assert json.loads(decrypt(secret, JOB_SECRET.context(job_id)))["number"] == ids.index(job_id)


def test_what_changes_meanwhile_is_not_overwritten(
    own: World, settings: SettingsChange, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished, changed, left = (enqueue_secret({"number": number}) for number in range(3))
    settings(ENCRYPTION_KEYS=BOTH)
    other = encrypt(b"{}", JOB_SECRET.context(changed))

    def encrypt_slowly(plaintext: bytes, context: str) -> str:
        own.run("update jobs set secret = null where id = :id", id=finished)
        own.run("update jobs set secret = :other where id = :id", id=changed, other=other)
        return encrypt(plaintext, context)

    monkeypatch.setattr(reencryption, "encrypt", encrypt_slowly)
    with connected(own) as connection:
        reencryption.reencrypt(connection, ignore)
    found = {row.id: row.secret for row in own.rows("select id, secret from jobs")}
    assert found[finished] is None
    assert found[changed] == other
    assert found[left].startswith("new.")


def test_a_row_that_a_function_holds_is_passed_over_and_told(own: World, settings: SettingsChange) -> None:
    held = enqueue_secret({})
    own.run("update jobs set secret = :secret", secret=encrypt(b"{}", JOB_SECRET.context(held)))
    enqueue_secret({"a": 1})
    settings(ENCRYPTION_KEYS=BOTH)
    with own.engine.begin() as connection:
        connection.execute(text("select from jobs where id = :id for update"), {"id": held})
        code, said, complained = lambkin("reencrypt")
    assert code == 1
    assert "Under `old.key`: 1 left." in said
    assert complained == "Some were written or in use meanwhile: run this again.\n"
    assert "Under `old.key`: none left." in succeeded("reencrypt")


def test_jobs_are_written_and_run_beside_it_and_none_is_lost(own: World, settings: SettingsChange) -> None:
    tasks, seen, stop = Tasks("worker"), [], threading.Event()

    @tasks.task("look")
    def look(job: JobContext) -> None:
        seen.append(job.secret["number"])

    waiting = [enqueue_secret({"number": number}) for number in range(300)]
    settings(ENCRYPTION_KEYS=BOTH)
    runner = threading.Thread(target=tasks.poll, args=(stop, 0.01, 2))
    runner.start()
    writer = threading.Thread(
        target=lambda: [enqueue_secret({"number": number}) for number in range(300, 400)]
    )
    writer.start()
    try:
        with connected(own) as connection, only_one(connection):
            reencryption.reencrypt(connection, ignore)
        writer.join(60)
        eventually(lambda: len(seen) >= 400, 60)
    finally:
        stop.set()
        runner.join(60)
    assert sorted(seen) == list(range(400))
    assert own.scalar("select count(*) from jobs where state = 'done' and secret is null") == 400
    assert len(waiting) == 300


def test_two_runs_at_once_are_one_and_a_refusal(own: World) -> None:
    with connected(own) as connection, only_one(connection):
        assert "Another re-encryption" in refused("reencrypt")
        with connected(own) as other, pytest.raises(AlreadyRunning), only_one(other):
            pass
    succeeded("reencrypt")


def test_what_cannot_be_opened_is_counted_and_keeps_nothing_else_from_it(
    own: World, settings: SettingsChange
) -> None:
    own.person()
    job_id, altered = enqueue_secret({}), enqueue_secret({"a": 1})
    own.run("update jobs set secret = 'lost.AAAA' where id = :id", id=job_id)
    own.run("update jobs set secret = overlay(secret placing 'AAAAAA' from 20) where id = :id", id=altered)
    settings(ENCRYPTION_KEYS=BOTH)
    code, said, complained = lambkin("reencrypt")
    assert code == 1
    assert "Under `lost`: 1 left." in said
    assert complained == (
        "2 cannot be opened: 1 under `lost`, a key that ENCRYPTION_KEYS lacks; 1 under `old.key`, altered.\n"
    )
    assert own.scalar("select ciphertext from signing_secrets").startswith("new.")


def test_the_name_of_a_key_that_begins_like_another_is_told_apart(
    own: World, settings: SettingsChange
) -> None:
    key = OLD.partition(":")[2]
    settings(ENCRYPTION_KEYS=f"new.er:{key}")
    own.person()
    settings(ENCRYPTION_KEYS=f"{NEW},new.er:{key}")
    assert "Under `new.er`: none left." in succeeded("reencrypt")
    assert names(own) == {"new"}


def test_a_ciphertext_moves_only_within_its_own_row(own: World, settings: SettingsChange) -> None:
    own.person()
    with Session(own.engine) as session, session.begin():
        session.execute(
            text("insert into signing_keys (id, public_key) values (:id, 'x')"), {"id": (other := new_id())}
        )
        session.execute(
            text("insert into signing_secrets select :id, ciphertext from signing_secrets"), {"id": other}
        )
    settings(ENCRYPTION_KEYS=BOTH)
    assert "altered" in refused("reencrypt")
