"""Uploads to the bucket: what was announced arrives, and nothing else."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from functions.files import crc64
from tests.functions.files.calls import TEXT, Client, send
from tests.functions.files.conftest import Bucket
from tests.support.crc64nvme import crc64nvme


def test_a_single_upload_becomes_a_file(client: Client, bucket: Bucket) -> None:
    started = client.start(tags=["poems"], media_type="text/plain").json()
    assert (started["kind"], started["state"], started["file"]) == ("single", "open", None)
    assert send(started["request"], TEXT).status_code == 200
    file = client.complete(started).json()
    assert (file["name"], file["media_type"], file["size"], file["state"]) == (
        "sonnet.txt",
        "text/plain",
        len(TEXT),
        "ready",
    )
    assert file["tags"] == ["poems"]
    assert client.content(file).content == TEXT
    assert client.usage() | {"quota": 0} == {"used": len(TEXT), "reserved": 0, "quota": 0, "in_trash": 0}


def test_completing_again_gives_the_same_file(client: Client) -> None:
    started = client.start().json()
    send(started["request"], TEXT)
    first, second = client.complete(started).json(), client.complete(started).json()
    assert first == second
    assert client.call("GET", f"/uploads/{started['id']}").json()["file"] == first


@pytest.mark.parametrize(
    ("content", "others"),
    [
        (TEXT[:-1], {"Content-Length": str(len(TEXT) - 1)}),
        (TEXT + b"!", {"Content-Length": str(len(TEXT) + 1)}),
        (b"x" * len(TEXT), {}),
        (TEXT, {"x-amz-checksum-sha256": "A" * 43 + "="}),
    ],
    ids=["shorter", "longer", "other bytes", "other digest"],
)
def test_the_bucket_takes_no_other_bytes(
    client: Client, bucket: Bucket, content: bytes, others: dict[str, str]
) -> None:
    started = client.start().json()
    assert send(started["request"], content, **others).status_code in (400, 403)
    assert bucket.keys() == []
    assert client.complete(started).json()["code"] == "not_arrived"


def test_the_bucket_takes_nothing_under_another_key(client: Client, bucket: Bucket) -> None:
    request = client.start().json()["request"]
    moved = request | {"url": request["url"].replace("/upload?", "/another?")}
    assert send(moved, TEXT).status_code == 403
    assert bucket.keys() == []


def test_nothing_exists_before_it_is_complete(client: Client) -> None:
    started = client.start().json()
    send(started["request"], TEXT)
    assert client.call("GET", "").json()["items"] == []


def test_room_is_set_aside_from_the_start(client: Client) -> None:
    client.start()
    assert client.usage()["reserved"] == len(TEXT)
    assert client.usage()["used"] == 0


def test_an_aborted_upload_gives_its_room_back(client: Client, bucket: Bucket) -> None:
    started = client.start().json()
    send(started["request"], TEXT)
    assert client.call("DELETE", f"/uploads/{started['id']}").status_code == 204
    assert client.usage()["reserved"] == 0
    assert client.complete(started).json()["code"] == "no_upload"
    assert client.call("DELETE", f"/uploads/{started['id']}").status_code == 404


def test_equal_bytes_are_stored_once(client: Client, bucket: Bucket) -> None:
    first, second = client.upload(), client.start(name="again.txt").json()
    assert (second["state"], second["request"]) == ("done", None), "nothing need be sent"
    assert second["file"]["id"] != first["id"]
    assert second["file"]["name"] == "again.txt"
    assert client.usage()["used"] == len(TEXT)
    assert client.content(second["file"]).content == TEXT
    assert len(bucket.keys()) == 1


def test_equal_bytes_that_arrive_at_the_same_time_are_stored_once(client: Client, bucket: Bucket) -> None:
    begun = [client.start(name=str(number)).json() for number in range(4)]
    for each in begun:
        assert send(each["request"], TEXT).status_code == 200
    with ThreadPoolExecutor(4) as pool:
        files = list(pool.map(lambda each: client.complete(each).json(), begun))
    assert len({file["id"] for file in files}) == 4
    assert client.usage() | {"quota": 0} == {"used": len(TEXT), "reserved": 0, "quota": 0, "in_trash": 0}
    client.run_jobs()
    assert len(bucket.keys()) == 1


@pytest.mark.parametrize("said", ["image/png", "text/html", "application/pdf"])
def test_what_it_is_not_is_refused_with_both_named(client: Client, bucket: Bucket, said: str) -> None:
    started = client.start(media_type=said).json()
    send(started["request"], TEXT)
    refused = client.complete(started)
    assert refused.status_code == 415
    assert refused.json()["code"] == "type_mismatch"
    assert "text/plain" in refused.json()["detail"]
    assert said in refused.json()["detail"]
    assert client.usage()["reserved"] == 0
    assert client.call("GET", f"/uploads/{started['id']}").json()["state"] == "ended"


def test_only_the_types_of_the_setting_are_taken(client: Client, settings: Any) -> None:
    settings(FILE_TYPES="image/*, application/pdf")
    refused = client.post_file()
    assert refused.status_code == 415
    assert refused.json()["code"] == "type_not_allowed"
    assert "image/*" in refused.json()["detail"]


def test_an_upload_in_parts_arrives_in_any_order(client: Client, bucket: Bucket) -> None:
    content = TEXT * (9 * 1024**2 // len(TEXT))
    started = client.start(content, in_parts=True).json()
    assert (started["kind"], started["part_size"], started["part_count"]) == ("parts", 8 * 1024**2, 2)
    wanted = {"parts": [{"number": 2}, {"number": 1}]}
    path = f"/uploads/{started['id']}"
    second, first = client.call("POST", f"{path}/parts", json=wanted).json()["parts"]
    size = started["part_size"]
    assert send(second["request"], content[size:]).status_code == 200
    arrived = client.call("GET", path).json()["parts"]
    assert [(part["number"], part["size"]) for part in arrived] == [(2, len(content) - size)]
    assert arrived[0]["crc64nvme"]
    refused = client.complete(started)
    assert refused.json()["code"] == "not_arrived"
    assert "1 parts are missing: 1." in refused.json()["detail"]
    assert send(first["request"], content[:size]).status_code == 200
    file = client.complete(started).json()
    assert (file["state"], file["size"]) == ("ready", len(content))
    assert hashlib.sha256(client.content(file).content).digest() == hashlib.sha256(content).digest()
    assert bucket.unfinished() == 0


def test_an_upload_in_parts_is_compared_with_the_checksum_of_the_whole(client: Client) -> None:
    started = client.start(TEXT, in_parts=True).json()
    path = f"/uploads/{started['id']}/parts"
    [part] = client.call("POST", path, json={"parts": [{"number": 1}]}).json()["parts"]
    wrong = b"?" + TEXT[1:]
    assert send(part["request"], wrong).status_code == 200
    refused = client.complete(started, crc64nvme=crc64nvme(TEXT))
    assert (refused.status_code, refused.json()["code"]) == (422, "checksum_mismatch")
    assert send(part["request"], TEXT).status_code == 200, "what was sent wrong is sent again"
    assert client.complete(started, crc64nvme=crc64nvme(TEXT)).status_code == 200


@pytest.mark.parametrize("lengths", [(0,), (1, 1), (300, 0, 7), (64, 4096, 5)])
def test_the_checksum_of_a_whole_follows_from_those_of_its_parts(lengths: tuple[int, ...]) -> None:
    parts = [os.urandom(length) for length in lengths]
    checksums = [(crc64nvme(part), len(part)) for part in parts]
    assert crc64.combined(checksums) == crc64nvme(b"".join(parts))


def test_a_part_with_a_checksum_takes_no_other_bytes(client: Client) -> None:
    started = client.start(TEXT, in_parts=True).json()
    path = f"/uploads/{started['id']}/parts"
    part = client.call("POST", path, json={"parts": [{"number": 1, "crc64nvme": "AAAAAAAAAAA="}]}).json()[
        "parts"
    ][0]
    assert send(part["request"], TEXT).status_code == 400


def test_an_upload_in_parts_that_is_aborted_leaves_nothing(client: Client, bucket: Bucket) -> None:
    started = client.start(TEXT, in_parts=True).json()
    path = f"/uploads/{started['id']}"
    part = client.call("POST", f"{path}/parts", json={"parts": [{"number": 1}]}).json()["parts"][0]
    send(part["request"], TEXT)
    assert bucket.unfinished() == 1
    client.call("DELETE", path)
    from common.database import get_database
    from functions.files import removal

    removal.sweep_objects(get_database("files"))
    assert bucket.unfinished() == 0
    assert bucket.keys() == []


def test_bytes_that_a_browser_would_decode_are_not_taken(client: Client) -> None:
    started = client.start().json()
    assert send(started["request"], TEXT, **{"Content-Encoding": "br"}).status_code == 200
    refused = client.complete(started)
    assert refused.json()["code"] == "checksum_mismatch"
    assert "Content-Encoding" in refused.json()["detail"]
    send(started["request"], TEXT)
    assert client.complete(started).status_code == 200
