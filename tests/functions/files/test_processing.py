"""Pictures are looked at before anybody gets them, and keep nothing private."""

import json
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from common import bucket as bucket_module
from common.database import get_database
from functions.files import processing, removal
from tests.functions.files.calls import Client
from tests.functions.files.conftest import Bucket
from tests.functions.files.pictures import SVG, jpeg
from tests.support.world import World


def test_a_photograph_becomes_ready_with_renditions_and_without_its_place(
    client: Client, bucket: Bucket
) -> None:
    photograph = jpeg()
    file = client.file(photograph, "beach.jpg", "image/jpeg")
    assert (file["state"], file["image"]) == ("processing", None)
    refused = client.call("GET", f"/{file['id']}/content")
    assert (refused.status_code, refused.json()["code"]) == (409, "still_processing")
    client.run_jobs()
    ready = client.read(file)
    assert (ready["state"], ready["media_type"]) == ("ready", "image/jpeg")
    assert {"gps", "exif"} <= set(ready["removed"])
    image = ready["image"]
    assert (image["width"], image["height"], image["camera"]) == (1200, 800, "Lambkin Pocket 1")
    assert image["taken_at"] == "2026-05-04T10:11:12Z"
    assert [each["name"] for each in image["renditions"]] == ["256", "512", "1024", "2048"]
    assert image["colours"][0].startswith("#3")
    original = client.content(ready)
    assert original.headers["content-type"] == "image/jpeg"
    assert b"Lambkin" not in original.content
    assert not Image.open(BytesIO(original.content)).getexif().get_ifd(0x8825)
    small = client.content(ready, rendition="512")
    assert (small.headers["content-type"], Image.open(BytesIO(small.content)).size) == (
        "image/webp",
        (512, 341),
    )
    assert client.usage()["used"] == len(original.content) == ready["size"] < len(photograph)
    assert len(bucket.keys()) == 5, "what was uploaded is gone"


def test_metadata_is_kept_where_the_setting_says_so(client: Client, settings: Any) -> None:
    settings(IMAGE_KEEP_METADATA="true")
    photograph = jpeg()
    file = client.file(photograph, "beach.jpg", "image/jpeg")
    client.run_jobs()
    assert client.read(file)["removed"] == []
    assert client.content(file).content == photograph


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        (jpeg()[:2000], "image/jpeg", "truncated"),
        (b"\xff\xd8\xff\xe0" + b"no picture at all" * 9, "image/jpeg", "truncated"),
    ],
    ids=["truncated", "lying"],
)
def test_what_cannot_be_used_is_rejected_and_not_kept(
    client: Client, bucket: Bucket, content: bytes, kind: str, code: str
) -> None:
    file = client.file(content, "beach.jpg", kind)
    client.run_jobs()
    rejected = client.read(file)
    assert (rejected["state"], rejected["size"]) == ("rejected", 0)
    assert rejected["rejection"]["code"] == code
    assert client.call("GET", f"/{file['id']}/content").json()["code"] == "content_rejected"
    assert bucket.keys() == []
    assert client.usage()["used"] == 0


def test_a_picture_of_too_many_pixels_is_rejected(client: Client, settings: Any) -> None:
    settings(IMAGE_MAX_PIXELS="1000000")
    file = client.file(jpeg(1200, 900), "beach.jpg", "image/jpeg")
    client.run_jobs()
    assert client.read(file)["rejection"]["code"] == "too_many_pixels"


def test_a_drawing_loses_what_would_run(client: Client, bucket: Bucket) -> None:
    file = client.file(SVG, "drawing.svg", "image/svg+xml")
    client.run_jobs()
    assert client.read(file)["state"] == "ready"
    kept = [bucket.content(key) for key in bucket.keys()]  # noqa: SIM118 - a method of ours
    assert len(kept) == 1
    assert b"script" not in kept[0]
    assert b"rect" in kept[0]


def test_the_same_rejected_bytes_may_be_tried_again(client: Client) -> None:
    broken = jpeg()[:2000]
    first = client.file(broken, "a.jpg", "image/jpeg")
    client.run_jobs()
    second = client.file(broken, "b.jpg", "image/jpeg")
    assert client.read(second)["state"] == "processing"
    client.run_jobs()
    assert client.read(first)["state"] == client.read(second)["state"] == "rejected"


def test_equal_photographs_are_looked_at_once(client: Client, bucket: Bucket) -> None:
    first = client.file(jpeg(), "a.jpg", "image/jpeg")
    client.run_jobs()
    second = client.file(jpeg(), "b.jpg", "image/jpeg")
    assert second["state"] == "ready"
    assert second["image"] == client.read(first)["image"]
    client.run_jobs()
    assert len(bucket.keys()) == 5


def test_a_file_that_is_deleted_while_it_is_looked_at_leaves_nothing(
    client: Client, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = client.file(jpeg(), "a.jpg", "image/jpeg")
    announce = processing._announce

    def delete_then_announce(*arguments: Any, **named: Any) -> None:
        announce(*arguments, **named)
        monkeypatch.setattr(processing, "_announce", announce)
        assert client.call("DELETE", f"/{file['id']}?permanently=true").status_code == 204

    monkeypatch.setattr(processing, "_announce", delete_then_announce)
    client.run_jobs()
    assert client.usage()["used"] == 0
    assert bucket.keys() == []


def test_a_picture_of_a_kind_that_cannot_be_cleaned_is_not_kept(client: Client, bucket: Bucket) -> None:
    raw = b"II*\x00\x10\x00\x00\x00CR\x02\x00" + bytes(200)
    file = client.file(raw, "a.cr2", "")
    assert file["media_type"] == "image/x-canon-cr2"
    client.run_jobs()
    assert client.read(file)["rejection"]["code"] == "unsupported"
    assert bucket.keys() == []


def test_what_is_written_after_its_file_was_deleted_is_removed_again(
    client: Client, bucket: Bucket, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = client.file(jpeg(), "a.jpg", "image/jpeg")
    put = bucket_module.put

    def remove_then_put(*arguments: Any) -> None:
        monkeypatch.setattr(bucket_module, "put", put)
        client.call("DELETE", f"/{file['id']}?permanently=true")
        removal.sweep_objects(get_database("files"))
        put(*arguments)

    monkeypatch.setattr(bucket_module, "put", remove_then_put)
    client.run_jobs()
    assert bucket.keys() == []
    again = "select count(*) from stored_objects where remove_after > now() + interval '50 minutes'"
    assert world.scalar(again) > 0, "what comes later still is removed once more"


def test_the_log_says_what_decoding_took_and_why_a_picture_was_rejected(client: Client, capsys: Any) -> None:
    photograph, broken = jpeg(), jpeg()[:2000]
    client.file(photograph, "a.jpg", "image/jpeg")
    client.file(broken, "b.jpg", "image/jpeg")
    capsys.readouterr()
    client.run_jobs()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    decoded = {line["bytes"]: line for line in lines if line["event"] == "content_decoded"}
    assert decoded.keys() == {len(photograph), len(broken)}
    assert all(line["peak_bytes"] > 0 and line["duration_ms"] > 0 for line in decoded.values())
    [rejected] = [line for line in lines if line["event"] == "content_rejected"]
    assert rejected["rejection"] == "truncated"
