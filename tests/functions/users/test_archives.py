"""The archive of an export: made once, whatever happens on the way, and removed."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from sqlalchemy.orm import Session

from common import bucket as bucket_module
from common.bucket import BucketFailed
from common.database import get_database
from common.functions import PERSONAL
from common.personal_data import Topic
from common.settings import get_settings
from functions.auth import personal_data as of_auth
from functions.users import archives
from tests.functions.users.conftest import Bucket
from tests.functions.users.erasing import furnish
from tests.functions.users.exporting import ask, download, export, fetch, job_of, look, mailed, parts
from tests.functions.users.running import due_now, run_due, run_job
from tests.support.fixtures import SettingsChange
from tests.support.world import Person, World


@pytest.fixture
def person(world: World) -> Person:
    return furnish(world)


def test_all_jobs_at_once_make_one_archive_and_one_mail(
    asgi: httpx.Client, world: World, person: Person, bucket: Bucket
) -> None:
    ask(asgi, person)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: run_due(world, person.id), range(4)))
    run_due(world, person.id)
    assert look(asgi, person)["state"] == "ready"
    assert len(bucket.keys()) == 1
    assert len(mailed(world, person)) == 1


def test_every_step_may_run_again(asgi: httpx.Client, world: World, person: Person, bucket: Bucket) -> None:
    export(asgi, world, person)
    for _ in range(2):
        world.run(
            "update jobs set state = 'queued', attempts = 0, finished_at = null"
            " where state = 'done' and payload->>'user_id' = :id",
            id=str(person.id),
        )
        assert set(run_due(world, person.id)) == {"done"}
    assert look(asgi, person)["state"] == "ready"
    assert fetch(look(asgi, person)["link"]).status_code == 200
    assert len(mailed(world, person)) == 1
    assert parts(world, person) == 0, "what is written again is cleared again"


def test_a_new_export_takes_the_place_of_the_old_one(
    asgi: httpx.Client, world: World, person: Person, bucket: Bucket
) -> None:
    export(asgi, world, person)
    [old_key] = bucket.keys()
    export(asgi, world, person)
    old, new = mailed(world, person)
    assert download(asgi, old).status_code == 400
    assert urlsplit(download(asgi, new).headers["location"]).path.rpartition("/")[2] not in old_key
    archives.sweep(get_database("users"))
    [left] = bucket.keys()
    assert left != old_key
    states = world.rows("select state from exports where user_id = :id order by created_at", id=person.id)
    assert [row.state for row in states] == ["expired", "ready"]


def test_an_archive_expires_with_its_link_and_leaves_the_bucket(
    asgi: httpx.Client, world: World, person: Person, bucket: Bucket
) -> None:
    export(asgi, world, person)
    [token] = mailed(world, person)
    world.run("update exports set expires_at = now() where user_id = :id", id=person.id)
    found = look(asgi, person)
    assert (found["state"], found["link"]) == ("expired", None)
    assert download(asgi, token).status_code == 400
    archives.sweep(get_database("users"))
    assert bucket.keys() == []
    assert world.scalar("select state from exports where user_id = :id", id=person.id) == "expired"
    archives.sweep(get_database("users"))


def test_a_sweep_that_does_not_reach_the_bucket_forgets_nothing(
    asgi: httpx.Client, world: World, person: Person, bucket: Bucket, settings: SettingsChange, moto_url: str
) -> None:
    export(asgi, world, person)
    world.run("update exports set expires_at = now() where user_id = :id", id=person.id)
    settings(AWS_ENDPOINT_URL="http://127.0.0.1:1")
    with pytest.raises(BucketFailed, match="EndpointConnectionError"):
        archives.sweep(get_database("users"))
    settings(AWS_ENDPOINT_URL=moto_url)
    archives.sweep(get_database("users"))
    assert bucket.keys() == []


def test_without_the_bucket_the_job_waits_and_the_request_does_not(
    asgi: httpx.Client,
    world: World,
    person: Person,
    bucket: Bucket,
    settings: SettingsChange,
    capsys: pytest.CaptureFixture[str],
) -> None:
    there = str(get_settings().aws_endpoint_url)
    settings(AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert ask(asgi, person).status_code == 202
    assert "retried" in run_due(world, person.id)
    assert look(asgi, person)["state"] == "collecting"
    key = world.scalar("select object_key from exports where user_id = :id", id=person.id)
    assert key not in capsys.readouterr().out
    settings(AWS_ENDPOINT_URL=there)
    due_now(world, person.id)
    run_due(world, person.id)
    assert look(asgi, person)["state"] == "ready"


def test_without_the_bucket_for_too_long_the_export_fails_and_its_person_is_told(
    asgi: httpx.Client, world: World, person: Person, settings: SettingsChange
) -> None:
    settings(AWS_ENDPOINT_URL="http://127.0.0.1:1")
    ask(asgi, person)
    for function in PERSONAL:
        run_job(job_of(world, person, "export_person", function), function)
    world.run("update jobs set max_attempts = 1 where task = 'assemble_export'")
    assert "dead" in run_due(world, person.id)
    assert look(asgi, person)["state"] == "failed"
    assert world.mails(person.email)[-1].template == "export_failed"
    assert parts(world, person) == 0


def test_a_function_that_cannot_export_fails_the_export_and_another_can_be_asked_for(
    asgi: httpx.Client, world: World, person: Person, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(session: Session, user_id: UUID) -> dict[str, Topic]:
        raise RuntimeError("half-way")

    with monkeypatch.context() as patched:
        patched.setattr(of_auth, "collect", fail)
        ask(asgi, person)
        assert "retried" in run_due(world, person.id)
        assert look(asgi, person)["state"] == "collecting"
        world.run("update jobs set max_attempts = 2 where task = 'export_person'")
        due_now(world, person.id)
        assert "dead" in run_due(world, person.id)
    assert look(asgi, person)["state"] == "failed"
    assert world.mails(person.email)[-1].template == "export_failed"
    assert bucket.keys() == []
    assert export(asgi, world, person)["state"] == "ready"


def test_an_export_that_nobody_works_on_is_given_up(
    asgi: httpx.Client, world: World, person: Person, bucket: Bucket
) -> None:
    ask(asgi, person)
    world.run("delete from jobs where payload->>'user_id' = :id", id=str(person.id))
    archives.sweep(get_database("users"))
    assert look(asgi, person)["state"] == "collecting"
    world.run("update exports set created_at = now() - interval '25 hours' where user_id = :id", id=person.id)
    archives.sweep(get_database("users"))
    assert look(asgi, person)["state"] == "failed"


def test_an_export_that_was_given_up_meanwhile_leaves_nothing_in_the_bucket(
    asgi: httpx.Client, world: World, person: Person, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = bucket_module.put

    def give_up_and_put(*arguments: Any) -> None:
        world.run("update exports set state = 'failed' where user_id = :id", id=person.id)
        put(*arguments)

    monkeypatch.setattr(bucket_module, "put", give_up_and_put)
    ask(asgi, person)
    assert set(run_due(world, person.id)) == {"done"}
    assert bucket.keys() == []
    assert mailed(world, person) == []


def test_an_archive_of_somebody_who_was_erased_meanwhile_leaves_the_bucket(
    asgi: httpx.Client, world: World, person: Person, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = bucket_module.put

    def erase_and_put(*arguments: Any) -> None:
        world.run("delete from exports where user_id = :id", id=person.id)
        put(*arguments)

    monkeypatch.setattr(bucket_module, "put", erase_and_put)
    ask(asgi, person)
    assert set(run_due(world, person.id)) == {"done"}
    assert bucket.keys() == []


def test_a_part_that_comes_after_its_person_was_erased_is_dropped(
    asgi: httpx.Client, world: World, person: Person, bucket: Bucket
) -> None:
    ask(asgi, person)
    world.run("delete from exports where user_id = :id", id=person.id)
    assert set(run_due(world, person.id)) == {"done"}


def test_a_storage_service_without_encryption_takes_archives_as_well(
    asgi: httpx.Client, world: World, person: Person, bucket: Bucket
) -> None:
    from botocore.exceptions import ClientError

    from common.aws import aws_client

    def refuse(params: dict[str, Any], **_: Any) -> None:
        if "x-amz-server-side-encryption" in {name.lower() for name in params["headers"]}:
            raise ClientError({"Error": {"Code": "NotImplemented"}}, "PutObject")

    events = aws_client("s3", timeout_seconds=30).meta.events
    events.register("before-call.s3.PutObject", refuse)
    try:
        assert export(asgi, world, person)["state"] == "ready"
    finally:
        events.unregister("before-call.s3.PutObject", refuse)
