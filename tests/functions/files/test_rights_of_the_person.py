"""What `files` keeps of a person is in their export, and goes with them."""

import json
from uuid import UUID

from common.database import get_database
from common.jobs import enqueue
from functions.files import personal_data
from tests.functions.files.calls import TEXT, Client
from tests.functions.files.conftest import Bucket
from tests.functions.files.pictures import jpeg
from tests.functions.users.running import run_job
from tests.support.world import World


def erasure_of(client: Client) -> UUID:
    """The job that erases a person."""
    named = {"user_id": str(client.person.id), "functions": ["files"]}
    return get_database("files").transaction(lambda session: enqueue(session, "files", "erase_person", named))


def test_an_export_names_the_files(client: Client) -> None:
    client.file(TEXT, "sonnet.txt")
    topics = get_database("files").transaction(
        lambda session: personal_data.collect(session, client.person.id)
    )
    assert [each["name"] for each in topics["files"].content] == ["sonnet.txt"]
    assert "object_key" not in json.dumps(topics["files"].content, default=str)


def test_erasure_leaves_neither_rows_nor_bytes(client: Client, bucket: Bucket, world: World) -> None:
    client.file(jpeg(), "a.jpg", "image/jpeg")
    client.run_jobs()
    client.file(TEXT)
    client.start(b"on its way")
    other = Client(client.http, world.person(), world)
    other.file(TEXT)
    world.run("update users set state = 'deleting' where id = :id", id=client.person.id)

    job_id = erasure_of(client)
    assert run_job(job_id, "files") == "done"
    assert len(bucket.keys()) == 1, "the other's"
    for table in ("files", "file_contents", "uploads", "storage_usage"):
        assert world.scalar(f"select count(*) from {table} where owner_id = :id", id=client.person.id) == 0
    report = world.scalar(
        "select report from erasure_reports where user_id = :id and function = 'files'", id=client.person.id
    )
    assert report == {"files": 2, "uploads": 3, "storage_usage": 1}
    assert other.content(other.call("GET", "").json()["items"][0]).content == TEXT


def test_nobody_is_erased_who_is_not_to_be(client: Client, bucket: Bucket) -> None:
    file = client.file()
    job_id = erasure_of(client)
    run_job(job_id, "files")
    assert client.content(file).content == TEXT
