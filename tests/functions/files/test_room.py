"""Nobody stores more than their quota, whoever asks at once, and all that is set aside is given back."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from common.database import get_database
from functions.files import removal, storage
from functions.files.repository import files
from functions.files.storage import BucketFailed
from functions.files.uploads import MOST_OPEN, part_size_of
from functions.files.verification import verify
from tests.functions.files.calls import TEXT, Client, send
from tests.functions.files.conftest import Bucket
from tests.functions.files.pictures import jpeg
from tests.support.fixtures import SettingsChange
from tests.support.world import World


def agrees() -> bool:
    return verify(get_database("files"), fix=False, progress=lambda _: None).agrees


def test_what_has_no_room_is_refused_and_changes_nothing(client: Client, settings: SettingsChange) -> None:
    settings(FILE_QUOTA_BYTES="100")
    client.file(b"x" * 60)
    before = client.usage()
    refused = client.post_file(b"y" * 41)
    assert (refused.status_code, refused.json()["code"]) == (413, "quota_exceeded")
    assert client.start(b"y" * 41).json()["code"] == "quota_exceeded"
    assert client.usage() == before
    assert client.post_file(b"y" * 40).status_code == 201


def test_an_upload_whose_answer_was_lost_is_repeated_where_nothing_more_fits(
    client: Client, settings: SettingsChange, bucket: Bucket
) -> None:
    settings(FILE_QUOTA_BYTES=str(len(TEXT)))
    # Each draws a boundary of its own for the form, as browsers do.
    first, second = (
        client.call("POST", "", files={"file": ("a.txt", TEXT)}, headers={"Idempotency-Key": "k"})
        for _ in range(2)
    )
    assert first.request.headers["content-type"] != second.request.headers["content-type"]
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert len(bucket.keys()) == 1


def test_a_form_with_other_bytes_is_another_request(client: Client) -> None:
    answers = [
        client.call("POST", "", files={"file": ("a.txt", content)}, headers={"Idempotency-Key": "k"})
        for content in (TEXT, TEXT + b"!")
    ]
    assert [answer.status_code for answer in answers] == [201, 422]


def test_of_many_at_once_no_more_than_fit_are_begun(client: Client, settings: SettingsChange) -> None:
    settings(FILE_QUOTA_BYTES=str(3 * len(TEXT)))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: client.start(name=str(number)), range(12)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [413] * 9
    assert client.usage()["reserved"] == 3 * len(TEXT)


def test_an_account_may_have_a_quota_of_its_own(client: Client, world: World) -> None:
    client.file()
    world.run("update storage_usage set quota = 50 where owner_id = :id", id=client.person.id)
    assert client.usage()["quota"] == 50
    assert client.post_file(b"y" * 20).status_code == 413


def test_uploads_under_way_are_bounded(client: Client, world: World) -> None:
    started = client.start().json()
    world.run(
        "insert into uploads (id, owner_id, kind, size, object_key, attributes, expires_at)"
        " select gen_random_uuid(), owner_id, kind, 0, object_key, attributes, expires_at"
        " from uploads, generate_series(2, :most) where id = :id",
        id=started["id"],
        most=MOST_OPEN,
    )
    refused = client.start(name="one more")
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_uploads")


def test_an_upload_whose_time_is_over_gives_its_room_back(
    client: Client, bucket: Bucket, world: World
) -> None:
    started = client.start().json()
    send(started["request"], TEXT)
    world.run("update uploads set expires_at = now() - interval '1 second'")
    assert client.call("GET", f"/uploads/{started['id']}").json()["state"] == "ended"
    assert client.complete(started).json()["code"] == "no_upload"
    removal.sweep_uploads(get_database("files"))
    client.run_jobs()
    assert client.usage()["reserved"] == 0
    assert bucket.keys() == []


def test_bytes_that_a_late_request_brings_back_are_removed_again(
    client: Client, bucket: Bucket, world: World
) -> None:
    started = client.start().json()
    client.call("DELETE", f"/uploads/{started['id']}")
    client.run_jobs()
    assert send(started["request"], TEXT).status_code == 200, "a presigned request cannot be taken back"
    removal.sweep_objects(get_database("files"))
    world.run("update stored_objects set remove_after = now(), writable_until = now()")
    removal.sweep_objects(get_database("files"))
    assert bucket.keys() == []
    assert world.scalar("select count(*) from stored_objects") == 0


def test_the_trash_takes_room_until_it_is_swept(client: Client, bucket: Bucket, world: World) -> None:
    old, new = client.file(TEXT), client.file(TEXT + b"2")
    for file in (old, new):
        assert client.call("DELETE", f"/{file['id']}").status_code == 204
    assert client.usage()["in_trash"] == client.usage()["used"] == 2 * len(TEXT) + 1
    world.run("update files set trashed_at = now() - interval '31 days' where id = :id", id=old["id"])
    removal.sweep_trash(get_database("files"))
    client.run_jobs()
    assert client.usage()["used"] == len(TEXT) + 1
    assert client.call("GET", f"/{old['id']}").status_code == 404
    assert client.call("POST", f"/{new['id']}/restore").json()["trashed_at"] is None
    assert len(bucket.keys()) == 1
    assert agrees()


def test_what_is_taken_back_at_the_last_moment_stays(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = client.file()
    client.call("DELETE", f"/{file['id']}")
    world.run("update files set trashed_at = now() - interval '31 days'")
    find = files.long_in_trash

    def find_then_restore(*arguments: Any, **named: Any) -> Any:
        found = find(*arguments, **named)
        client.call("POST", f"/{file['id']}/restore")
        return found

    monkeypatch.setattr(files, "long_in_trash", find_then_restore)
    removal.sweep_trash(get_database("files"))
    assert client.content(file).content == TEXT


def test_an_object_that_cannot_be_removed_does_not_keep_the_others(
    client: Client, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        file = client.file(TEXT + str(number).encode())
        client.call("DELETE", f"/{file['id']}?permanently=true")
    stuck, remove = bucket.keys()[0], storage.remove

    def refuse(key: str) -> None:
        if key == stuck:
            raise BucketFailed("remove", "AccessDenied", "AccessDenied")
        remove(key)

    monkeypatch.setattr(storage, "remove", refuse)
    monkeypatch.setattr(removal, "_BATCH", 1)
    removal.sweep_objects(get_database("files"))
    removal.sweep_objects(get_database("files"))
    assert bucket.keys() == [stuck]


def test_content_goes_with_the_last_of_its_files(client: Client, bucket: Bucket) -> None:
    first, second = client.file(TEXT, "a"), client.file(TEXT, "b")
    client.call("DELETE", f"/{first['id']}?permanently=true")
    client.run_jobs()
    assert client.content(second).content == TEXT
    client.call("DELETE", f"/{second['id']}?permanently=true")
    client.run_jobs()
    assert bucket.keys() == []
    assert client.usage()["used"] == 0


def test_uploads_and_deletions_of_the_same_bytes_at_once_come_out_even(
    client: Client, bucket: Bucket
) -> None:
    def upload_and_delete(_: int) -> int:
        file = client.file(TEXT, uuid4().hex)
        return client.call("DELETE", f"/{file['id']}?permanently=true").status_code

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(upload_and_delete, range(18))) == {204}
    client.run_jobs()
    assert client.usage() | {"quota": 0} == {"used": 0, "reserved": 0, "quota": 0, "in_trash": 0}
    assert bucket.keys() == []
    assert agrees()


@pytest.mark.parametrize(
    ("size", "expected"),
    [(1, 8 * 1024**2), (80 * 1024**3, 9 * 1024**2), (50 * 1024**3, 8 * 1024**2)],
)
def test_parts_are_as_small_as_their_number_allows(size: int, expected: int) -> None:
    assert part_size_of(size) == expected
    assert size / part_size_of(size) <= 10_000


class TestVerification:
    """`lambkin files verify` finds what does not agree, and mends it."""

    def test_an_object_that_nothing_knows_of_is_removed(self, client: Client, bucket: Bucket) -> None:
        client.file()
        bucket.s3.put_object(Bucket=bucket.name, Key="files/stray", Body=b"?")
        bucket.s3.put_object(Bucket=bucket.name, Key="exports/of-another-function", Body=b"?")
        found = verify(get_database("files"), fix=True, progress=lambda _: None)
        assert (found.orphans, found.missing, found.looked_at) == (["files/stray"], [], 2)
        assert agrees()
        assert "exports/of-another-function" in bucket.keys()  # noqa: SIM118 - a method of ours

    def test_a_file_whose_bytes_are_gone_says_so(self, client: Client, bucket: Bucket) -> None:
        file = client.file()
        (key,) = bucket.keys()
        bucket.s3.delete_object(Bucket=bucket.name, Key=key)
        found = verify(get_database("files"), fix=True, progress=lambda _: None)
        assert found.missing == [key]
        assert client.read(file)["rejection"]["code"] == "lost"
        assert client.usage()["used"] == 0
        client.run_jobs()
        assert agrees()

    def test_a_picture_goes_on_without_a_rendition_that_is_gone(self, client: Client, bucket: Bucket) -> None:
        file = client.file(jpeg(), "a.jpg", "image/jpeg")
        client.run_jobs()
        key = next(each for each in bucket.keys() if each.endswith("-512"))  # noqa: SIM118 - as above
        bucket.s3.delete_object(Bucket=bucket.name, Key=key)
        verify(get_database("files"), fix=True, progress=lambda _: None)
        names = [each["name"] for each in client.read(file)["image"]["renditions"]]
        assert names == ["256", "1024", "2048"]
        client.run_jobs()
        assert agrees()

    def test_wrong_counts_are_added_up_anew(self, client: Client, world: World) -> None:
        client.file()
        client.start(b"another")
        world.run("update storage_usage set used = used + 7, reserved = 0")
        found = verify(get_database("files"), fix=True, progress=lambda _: None)
        assert found.miscounted == [client.person.id]
        assert (client.usage()["used"], client.usage()["reserved"]) == (len(TEXT), 7)

    def test_an_object_of_no_content_is_removed(self, client: Client, bucket: Bucket, world: World) -> None:
        client.file()
        world.run("delete from files")
        world.run("delete from file_contents")
        found = verify(get_database("files"), fix=True, progress=lambda _: None)
        assert len(found.orphans) == 1
        assert bucket.keys() == []
        assert agrees()

    def test_nothing_is_mended_unasked(self, client: Client, bucket: Bucket) -> None:
        bucket.s3.put_object(Bucket=bucket.name, Key="files/stray", Body=b"?")
        assert not agrees()
        assert bucket.keys() == ["files/stray"]


def test_a_bucket_that_is_down_is_told_and_leaves_nothing(
    asgi: httpx.Client, client: Client, settings: SettingsChange, world: World
) -> None:
    settings(AWS_ENDPOINT_URL="http://127.0.0.1:1")
    answer = client.post_file()
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"]
    assert client.usage()["reserved"] == 0
    assert world.scalar("select count(*) from stored_objects where state <> 'doomed'") == 0
