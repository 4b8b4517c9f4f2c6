"""Content as it is given out: by a link to the bucket, or through here as RFC 9110 wants it."""

from email import message_from_bytes
from typing import Any

import httpx
import pytest

from functions.files import delivery
from tests.functions.files.calls import TEXT, Client
from tests.functions.files.conftest import Bucket
from tests.support.fixtures import SettingsChange

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture
def passing(client: Client, settings: SettingsChange) -> Client:
    """Everything small passes through."""
    settings(FILE_STREAM_BYTES="100000000")
    return client


def get(client: Client, file: dict[str, Any], **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.call("GET", f"/{file['id']}/content", headers=named)


def becomes(client: Client, file: dict[str, Any], media_type: str) -> None:
    """As if its content had been of this type, and looked at."""
    for table, column in (
        ("file_contents", "id = (select content_id from files where id = :id)"),
        ("files", "id = :id"),
    ):
        client.world.run(
            f"update {table} set media_type = :type where {column}", type=media_type, id=file["id"]
        )


class TestLink:
    def test_it_leads_to_the_bytes_in_the_bucket(self, client: Client) -> None:
        file = client.file()
        link = client.call("GET", f"/{file['id']}/content")
        assert link.status_code == 302
        assert "no-store" in link.headers["cache-control"]
        answer = httpx.get(link.headers["location"])
        assert answer.content == TEXT
        assert answer.headers["content-type"] == "text/plain"
        assert answer.headers["content-disposition"] == 'inline; filename="sonnet.txt"'
        part = httpx.get(link.headers["location"], headers={"Range": "bytes=0-4"})
        assert (part.status_code, part.content) == (206, TEXT[:5])

    def test_one_for_a_head_request_gives_the_headers(self, client: Client) -> None:
        file = client.file()
        link = client.call("HEAD", f"/{file['id']}/content")
        assert (link.status_code, link.content) == (302, b"")
        answer = httpx.head(link.headers["location"])
        assert (answer.status_code, answer.headers["content-length"]) == (200, str(len(TEXT)))
        assert httpx.get(link.headers["location"]).status_code == 403

    def test_it_can_be_had_as_an_address_for_what_sends_no_authorization(self, client: Client) -> None:
        link = client.call("GET", f"/{client.file()['id']}/content-link").json()
        answer = httpx.get(link["url"])
        assert (answer.content, len(answer.content)) == (TEXT, link["size"])
        assert answer.headers["content-type"] == link["media_type"] == "text/plain"

    def test_the_address_of_a_drawing_gives_a_download(self, client: Client) -> None:
        file = client.file()
        becomes(client, file, "image/svg+xml")
        link = client.call("GET", f"/{file['id']}/content-link").json()
        assert httpx.get(link["url"]).headers["content-disposition"].startswith("attachment")

    def test_what_is_to_be_saved_is_an_attachment(self, client: Client) -> None:
        answer = client.content(client.file(), download=True)
        assert answer.headers["content-disposition"] == 'attachment; filename="sonnet.txt"'

    @pytest.mark.parametrize(
        "media_type",
        [
            "text/html",
            "application/xhtml+xml",
            "text/xml",
            "application/xml",
            "text/javascript",
            "application/octet-stream",
        ],
    )
    def test_what_a_browser_would_run_is_a_download(self, client: Client, media_type: str) -> None:
        file = client.file()
        becomes(client, file, media_type)
        assert client.content(file).headers["content-disposition"].startswith("attachment")

    def test_a_large_drawing_is_a_download(self, client: Client) -> None:
        file = client.file()
        becomes(client, file, "image/svg+xml")
        client.world.run(
            "update files set size = :size where id = :id", size=delivery.SANDBOXED_BYTES + 1, id=file["id"]
        )
        assert client.content(file).headers["content-disposition"].startswith("attachment")

    def test_a_rendition_is_called_after_the_file_and_its_own_type(
        self, client: Client, bucket: Bucket
    ) -> None:
        file = client.file(name="a.beach.txt")
        has_rendition(client, file, bucket)
        answer = client.content(file, rendition="512")
        assert (answer.content, answer.headers["content-type"]) == (b"picture", "image/webp")
        assert answer.headers["content-disposition"] == 'inline; filename="a.beach-512.webp"'
        assert (
            client.call("GET", f"/{file['id']}/content", params={"rendition": "1024"}).json()["code"]
            == "no_rendition"
        )

    @pytest.mark.parametrize(
        ("statement", "status", "code"),
        [
            ("update files set trashed_at = now() where id = :id", 409, "in_trash"),
            ("update file_contents set state = 'processing'", 409, "still_processing"),
            ("update file_contents set state = 'rejected', object_key = null", 409, "content_rejected"),
        ],
    )
    def test_none_is_given_for_what_is_not_to_be_had(
        self, client: Client, statement: str, status: int, code: str
    ) -> None:
        file = client.file()
        of_file = "" if ":id" in statement else " where id = (select content_id from files where id = :id)"
        client.world.run(statement + of_file, id=file["id"])
        refused = client.call("GET", f"/{file['id']}/content")
        assert (refused.status_code, refused.json()["code"]) == (status, code)


def has_rendition(client: Client, file: dict[str, Any], bucket: Bucket) -> None:
    key = f"files/{file['id']}/test-512"
    bucket.s3.put_object(Bucket=bucket.name, Key=key, Body=b"picture")
    client.world.run(
        "update file_contents set renditions = jsonb_build_array(jsonb_build_object('name', '512', 'key', "
        "cast(:key as text), 'width', 512, 'height', 341, 'size', 7, 'media_type', 'image/webp')) "
        "where id = (select content_id from files where id = :id)",
        key=key,
        id=file["id"],
    )


class TestPassingThrough:
    def test_the_whole_comes_with_what_a_client_needs_to_keep_it(self, passing: Client) -> None:
        answer = get(passing, passing.file())
        assert (answer.status_code, answer.content) == (200, TEXT)
        headers = answer.headers
        assert headers["content-length"] == str(len(TEXT))
        assert headers["content-type"] == "text/plain"
        assert headers["accept-ranges"] == "bytes"
        assert headers["cache-control"] == "private, no-cache"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["etag"].startswith('"')
        assert "authorization" in headers["vary"].lower()

    def test_more_than_the_setting_says_does_not(self, client: Client, settings: SettingsChange) -> None:
        settings(FILE_STREAM_BYTES=str(len(TEXT)))
        exact, larger = client.file(), client.file(TEXT + b"!")
        assert get(client, exact).status_code == 200
        assert get(client, larger).status_code == 302

    def test_head_is_get_without_the_bytes_and_knows_no_range(self, passing: Client) -> None:
        file = passing.file()
        whole = get(passing, file)
        head = passing.call("HEAD", f"/{file['id']}/content", headers={"Range": "bytes=0-1"})
        assert (head.status_code, head.content) == (200, b"")
        assert {**head.headers}.items() - whole.headers.items() == {
            ("x-request-id", head.headers["x-request-id"])
        }
        assert head.headers.keys() == whole.headers.keys()

    def test_the_client_that_has_it_is_told_so(self, passing: Client) -> None:
        file = passing.file()
        whole = get(passing, file)
        for known in (whole.headers["etag"], f'"x", W/{whole.headers["etag"]}', "*"):
            again = get(passing, file, If_None_Match=known)
            assert (again.status_code, again.content) == (304, b"")
            # What it keeps is brought up to date by these (RFC 9111, section 4.3.4).
            for name in ("etag", "cache-control", "vary", "content-security-policy", "content-disposition"):
                assert again.headers[name] == whole.headers[name]
        assert get(passing, file, If_None_Match='"x"').status_code == 200

    def test_a_precondition_that_fails_is_told_before_all_else(self, passing: Client) -> None:
        file = passing.file()
        tag = get(passing, file).headers["etag"]
        refused = get(passing, file, If_Match='"x"', If_None_Match=tag)
        assert (refused.status_code, refused.json()["code"]) == (412, "precondition_failed")
        assert get(passing, file, If_Match=tag).status_code == 200

    def test_equal_bytes_have_the_same_tag_and_others_another(self, passing: Client, bucket: Bucket) -> None:
        first, equal, other = passing.file(), passing.file(name="x.txt"), passing.file(TEXT * 2)
        has_rendition(passing, first, bucket)
        tags = [get(passing, each).headers["etag"] for each in (first, equal, other)]
        small = passing.call("GET", f"/{first['id']}/content", params={"rendition": "512"})
        assert tags[0] == tags[1]
        assert len({*tags, small.headers["etag"]}) == 3


class TestRanges:
    @pytest.mark.parametrize(
        ("asked", "first", "last"),
        [
            ("bytes=0-4", 0, 4),
            ("bytes=5-", 5, len(TEXT) - 1),
            ("bytes=-3", len(TEXT) - 3, len(TEXT) - 1),
            ("bytes=-999999", 0, len(TEXT) - 1),
            ("bytes=2-99999999999", 2, len(TEXT) - 1),
            ("BYTES= 0-0 ,,", 0, 0),
            ("bytes=0-3,2-6,7-8", 0, 8),
            ("bytes=1-2,500-600", 1, 2),
        ],
    )
    def test_one_range_is_answered_by_it(self, passing: Client, asked: str, first: int, last: int) -> None:
        answer = get(passing, passing.file(), Range=asked)
        assert (answer.status_code, answer.content) == (206, TEXT[first : last + 1])
        assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(TEXT)}"
        assert answer.headers["content-type"] == "text/plain"
        assert answer.headers["content-length"] == str(last - first + 1)

    def test_several_are_parts_in_the_order_asked_for(self, passing: Client) -> None:
        answer = get(passing, passing.file(), Range="bytes=10-12, 0-0, -2")
        assert answer.status_code == 206
        assert "content-range" not in answer.headers
        assert len(answer.content) == int(answer.headers["content-length"])
        # As a mail's reader takes it apart, whose format it is (RFC 2046, section 5.1).
        raw = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode() + answer.content
        parts: Any = message_from_bytes(raw).get_payload()
        size = len(TEXT)
        assert [(part["Content-Range"], part.get_payload(decode=True)) for part in parts] == [
            (f"bytes 10-12/{size}", TEXT[10:13]),
            (f"bytes 0-0/{size}", TEXT[:1]),
            (f"bytes {size - 2}-{size - 1}/{size}", TEXT[-2:]),
        ]
        assert {part.get_content_type() for part in parts} == {"text/plain"}

    @pytest.mark.parametrize(
        "asked",
        [
            "bytes=4-2",
            "bytes=abc",
            "bytes=",
            "bytes=1-2-3",
            "lines=1-2",
            "bytes 0-4",
            "bytes=" + "9" * 4000 + "-",
            "bytes=٣-٤",
            "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 34, 2)),
            "bytes=" + "0-," * 20_000,
        ],
        ids=range(10),
    )
    def test_what_is_no_range_or_too_many_is_ignored(self, passing: Client, asked: str) -> None:
        file = passing.file()
        answer = passing.call("GET", f"/{file['id']}/content", headers={"Range": asked.encode()})
        assert (answer.status_code, answer.content) == (200, TEXT)

    @pytest.mark.parametrize("asked", ["bytes=40-", "bytes=-0", "bytes=500-600,700-"])
    def test_bytes_that_are_not_there_are_refused_with_the_size(self, passing: Client, asked: str) -> None:
        refused = get(passing, passing.file(), Range=asked)
        assert (refused.status_code, refused.json()["code"]) == (416, "range_not_satisfiable")
        assert refused.headers["content-range"] == f"bytes */{len(TEXT)}"
        assert refused.headers["content-type"] == "application/problem+json"

    def test_a_range_of_other_bytes_is_the_whole(self, passing: Client) -> None:
        file = passing.file()
        tag = get(passing, file).headers["etag"]
        assert get(passing, file, Range="bytes=0-1", If_Range=tag).status_code == 206
        for other in ('"x"', f"W/{tag}", "Sun, 06 Nov 1994 08:49:37 GMT"):
            assert get(passing, file, Range="bytes=0-1", If_Range=other).status_code == 200

    def test_what_the_client_has_is_told_before_a_range(self, passing: Client) -> None:
        file = passing.file()
        tag = get(passing, file).headers["etag"]
        assert get(passing, file, Range="bytes=900-", If_None_Match=tag).status_code == 304


class TestWhatABrowserRuns:
    def test_a_drawing_passes_through_in_a_sandbox(self, client: Client) -> None:
        file = client.file()
        becomes(client, file, "image/svg+xml")
        answer = get(client, file)
        assert answer.status_code == 200
        policy = {each.strip() for each in answer.headers["content-security-policy"].split(";")}
        assert policy == {"sandbox", "default-src 'none'", "style-src 'unsafe-inline'", "img-src data:"}
        assert answer.headers.get_list("content-security-policy") == [
            answer.headers["content-security-policy"]
        ]
        assert answer.headers["content-disposition"].startswith("inline")
        assert answer.headers["x-content-type-options"] == "nosniff"
        saved = client.call("GET", f"/{file['id']}/content", params={"download": True})
        assert saved.headers["content-disposition"].startswith("attachment")

    @pytest.mark.parametrize("media_type", ["text/html", "application/xhtml+xml", "text/xml"])
    def test_a_page_is_a_download_from_here_too(self, passing: Client, media_type: str) -> None:
        file = passing.file()
        becomes(passing, file, media_type)
        assert get(passing, file).headers["content-disposition"].startswith("attachment")


class TestFailures:
    def test_a_bucket_that_is_down_is_a_503(self, passing: Client, settings: SettingsChange) -> None:
        file = passing.file()
        settings(AWS_ENDPOINT_URL="http://127.0.0.1:1")
        refused = get(passing, file)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")

    def test_content_that_was_deleted_meanwhile_is_not_there(self, passing: Client, bucket: Bucket) -> None:
        file = passing.file()
        stored = bucket.keys()
        for key in stored:
            bucket.s3.delete_object(Bucket=bucket.name, Key=key)
        assert get(passing, file).status_code == 404
