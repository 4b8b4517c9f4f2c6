"""Presigned requests to the bucket through the gateway, against a server that checks signatures."""

from urllib.parse import urlsplit

import httpx
import pytest
from botocore.config import Config

from infra import bucket_cors
from tests.support.network import Network

KEY = "exports/a name, with + and ü/file.txt"


def s3(endpoint: str) -> object:
    from boto3.session import Session

    return Session().client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(signature_version="s3v4"),
    )


@pytest.fixture
def presigned(network: Network) -> object:
    """A client that signs for the address that clients reach, as `common.bucket` does."""
    return s3(network.environment("users")["S3_PUBLIC_URL"])


def sign(client: object, operation: str, key: str = KEY, **more: str) -> str:
    made = client.generate_presigned_url(  # type: ignore[attr-defined]  # boto3's clients have no types
        operation, Params={"Bucket": "lambkin", "Key": key, **more}, ExpiresIn=60
    )
    return str(made)


def test_what_is_put_through_the_gateway_is_got_through_it(presigned: object, network: Network) -> None:
    content = b"x" * 3_000_000
    put = httpx.put(sign(presigned, "put_object"), content=content)
    assert put.status_code == 200, put.text
    link = sign(presigned, "get_object", ResponseContentDisposition='attachment; filename="a.txt"')
    assert urlsplit(link).netloc == f"localhost:{network.ports['backend:8000']}"
    # Its own sign-in goes no further than the gateway.
    got = httpx.get(link, headers={"Authorization": "Bearer something", "Cookie": "refresh=1"})
    assert got.status_code == 200, got.text
    assert got.content == content
    assert got.headers["Content-Disposition"] == 'attachment; filename="a.txt"'
    assert httpx.get(link, headers={"Range": "bytes=0-9"}).content == b"x" * 10


def test_a_signature_holds_for_its_address_its_key_and_its_host_alone(
    presigned: object, network: Network
) -> None:
    httpx.put(sign(presigned, "put_object"), content=b"mine")
    link = sign(presigned, "get_object")
    assert httpx.get(link).status_code == 200
    for changed in (
        link.replace("file.txt", "other.txt"),
        link[:-6] + "000000",
        link.replace("X-Amz-Expires=60", "X-Amz-Expires=600"),
        link.replace("localhost", "127.0.0.1"),
    ):
        assert changed != link
        assert httpx.get(changed).status_code == 403, changed
    assert httpx.put(link, content=b"other").status_code == 403


def test_what_has_no_signature_does_not_reach_the_bucket(client: httpx.Client) -> None:
    for method, path in (
        ("GET", "/lambkin/"),
        ("GET", "/lambkin/?list-type=2"),
        ("GET", "/lambkin/exports/a"),
        ("PUT", "/lambkin/anything"),
        ("DELETE", "/lambkin/exports/a?X-Amz-Signature=1"),
        ("POST", "/lambkin/?delete"),
        ("OPTIONS", "/lambkin/exports/a"),
    ):
        answer = client.request(method, path)
        assert answer.status_code == 403, (method, path)
        assert answer.json()["code"] == "forbidden"


def test_the_emulator_s_other_services_are_not_there(client: httpx.Client) -> None:
    for path in (
        "/_localstack/health",
        "/_ministack/health",
        "/?Action=ListQueues",
        "/other-bucket/?X-Amz-Signature=1",
    ):
        assert client.get(path).status_code == 404, path


def test_a_browser_may_ask_before_it_uploads(presigned: object, network: Network) -> None:
    asked = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "PUT"}
    answer = httpx.options(sign(presigned, "put_object"), headers=asked)
    assert answer.status_code == 200, answer.text
    assert "Access-Control-Allow-Origin" in answer.headers
    # MiniStack lets every page in by itself: what decides elsewhere is what the bucket was told.
    behind = s3(f"http://127.0.0.1:{network.ports['localstack:4566']}")
    told = behind.get_bucket_cors(Bucket="lambkin")  # type: ignore[attr-defined]  # as above
    assert told["CORSRules"] == bucket_cors.configuration(["http://localhost:3000"])["CORSRules"]
