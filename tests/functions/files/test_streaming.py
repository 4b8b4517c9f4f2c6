"""Content that passes through does so in pieces, and nothing outlives its reader."""

import tracemalloc
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from common.database.engine import connections_in_use
from common.settings import get_settings
from functions.files import delivery
from tests.functions.files.calls import TEXT, Client
from tests.functions.files.conftest import Bucket
from tests.support.bucket_proxy import BucketProxy, bucket_proxy
from tests.support.fixtures import SettingsChange
from tests.support.waiting import eventually

MEBIBYTE = 1024**2
LARGE = bytes(range(256)) * (32 * MEBIBYTE // 256)


@pytest.fixture
def proxy(ministack: int, client: Client, settings: SettingsChange) -> Iterator[BucketProxy]:
    """What the functions have for the bucket, once there is a bucket."""
    with bucket_proxy(ministack) as found:
        settings(AWS_ENDPOINT_URL=found.url, FILE_STREAM_BYTES="1000000000")
        yield found


@pytest.fixture
def large(client: Client, bucket: Bucket) -> dict[str, Any]:
    """A file of 32 MiB."""
    file = client.file()
    [key] = bucket.keys()
    bucket.s3.put_object(Bucket=bucket.name, Key=key, Body=LARGE)
    client.world.run("update files set size = :size where id = :id", size=len(LARGE), id=file["id"])
    return file


def path(file: dict[str, Any]) -> str:
    return f"/v1/files/{file['id']}/content"


def test_a_large_file_comes_whole_and_never_is_in_memory(
    over_http: httpx.Client, client: Client, large: dict[str, Any], proxy: BucketProxy
) -> None:
    with over_http.stream("GET", path(large), headers=client.person.headers) as answer:
        assert answer.headers["content-length"] == str(len(LARGE))
        tracemalloc.start()
        received = 0
        for piece in answer.iter_bytes():
            assert piece == LARGE[received : received + len(piece)]
            received += len(piece)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert received == len(LARGE)
    assert peak < 8 * MEBIBYTE


def test_who_streams_holds_no_connection_and_who_leaves_ends_the_read(
    over_http: httpx.Client, client: Client, large: dict[str, Any], proxy: BucketProxy
) -> None:
    proxy.left.clear()
    with over_http.stream("GET", path(large), headers=client.person.headers) as answer:
        next(answer.iter_bytes())
        assert connections_in_use("files") == 0
    assert proxy.left.wait(10)
    assert proxy.sent < len(LARGE)


def test_a_bucket_that_breaks_off_breaks_the_answer_off(
    over_http: httpx.Client, client: Client, large: dict[str, Any], proxy: BucketProxy, capsys: Any
) -> None:
    proxy.most = 2 * MEBIBYTE
    with over_http.stream("GET", path(large), headers=client.person.headers) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()
    eventually(lambda: "content_not_read" in capsys.readouterr().out)


def test_a_lambda_answers_whole_and_only_with_what_it_has_room_for(
    function_urls: httpx.Client,
    client: Client,
    large: dict[str, Any],
    settings: SettingsChange,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery, "IN_LAMBDA", True)
    settings(FILE_STREAM_BYTES="1000000000")
    headers = client.person.headers
    assert function_urls.get(path(large), headers=headers).status_code == 302
    small = client.file(b"\xff\xfe" + TEXT, kind="application/octet-stream")
    answer = function_urls.get(path(small), headers=headers)
    assert (answer.status_code, answer.content) == (200, b"\xff\xfe" + TEXT)
    parts = function_urls.get(path(small), headers=headers | {"Range": "bytes=0-1,5-6"})
    assert parts.status_code == 206
    assert len(parts.content) == int(parts.headers["content-length"])
    assert get_settings().file_stream_bytes > delivery.LAMBDA_BYTES
