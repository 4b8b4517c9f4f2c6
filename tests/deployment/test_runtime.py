"""Each artifact runs in the real runtime client, and sees itself, the layer and the runtime alone."""

import json
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from PIL import Image

from common.functions import FUNCTIONS
from infra.build.runtime_api import InvocationFailed
from infra.build.sandbox import started
from infra.local import function_url
from infra.local.discovery import functions
from infra.local.home import PROJECT
from tests.functions.ai.sse import PATH, asking, events, words
from tests.functions.files.calls import TEXT, Client
from tests.functions.files.pictures import jpeg
from tests.support.api_keys import mint
from tests.support.instances import BASE, InstancesTransport, Start, instances
from tests.support.ollama import FakeOllama
from tests.support.world import PASSWORD, World

WITH_JOBS = [function.name for function in functions() if function.handles_jobs]


@pytest.fixture(scope="module")
def start(
    artifacts: dict[str, Path], runtime: Path, database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Start]:
    """`start("auth")` gives a running instance of a function, kept for all tests of this module."""
    given = {
        "STAGE": "test",
        "DATABASE_URL": database_url,
        "PASSWORD_HASH_KIB": "8",
        "PASSWORD_HASH_PASSES": "1",
        "QUEUES": "false",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    }
    log_file = tmp_path_factory.mktemp("log") / "log"
    with log_file.open("wb") as log, instances(artifacts, runtime, given, log) as made:
        yield made


@pytest.fixture(scope="module")
def client(start: Start) -> Iterator[httpx.Client]:
    with httpx.Client(transport=InstancesTransport(start), base_url=BASE) as made:
        yield made


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_is_alive_in_its_artifact(client: httpx.Client, name: str) -> None:
    answer = client.get(f"/v1/{name}/livez")
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("name", ["auth", "users", "files", "worker", "ai"])
def test_each_function_reaches_the_database_as_its_own_role(client: httpx.Client, name: str) -> None:
    probes = client.get(f"/v1/{name}/readyz").json()["probes"]
    assert {"name": "database", "state": "ok"}.items() <= probes[0].items(), probes


def test_an_account_is_made_and_used_across_artifacts(
    client: httpx.Client, start: Start, world: World
) -> None:
    email = world.address()
    body = {"email": email, "password": PASSWORD, "name": "Ada"}
    assert client.post("/v1/auth/register", json=body).status_code == 202
    # The mail is the job of another artifact.
    start("auth", "functions.auth.jobs.handler").invoke({"source": "aws.events"})
    [mail] = world.mails(email)
    assert client.post("/v1/auth/verify-email", json={"token": mail.token}).status_code == 200
    signed_in = client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
    assert signed_in.status_code == 200, signed_in.text
    headers = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
    assert client.get("/v1/users/me", headers=headers).json()["name"] == "Ada"
    refused = client.get("/v1/users", headers=headers)
    assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")


def test_a_function_whose_secrets_cannot_be_read_is_alive_and_says_503(start: Start) -> None:
    api = start("auth", DATABASE_URL="secret:lambkin/test/auth#DATABASE_URL")
    answers = [
        api.invoke(function_url.to_event("GET", path, "", [], b"", "203.0.113.7"))
        for path in ("/v1/auth/livez", "/v1/auth/.well-known/jwks.json")
    ]
    assert [answer["statusCode"] for answer in answers] == [200, 503]
    assert "retry-after" in answers[1]["headers"]


def test_a_chat_in_the_artifact_comes_together_and_says_so(
    start: Start, world: World, ollama_server: FakeOllama
) -> None:
    api = start("ai", OLLAMA_URL=ollama_server.url)
    who = mint(world, world.account().id, "ai:use").headers["Authorization"].encode()
    headers = [(b"content-type", b"application/json"), (b"authorization", who)]
    body = json.dumps(asking("say 4", stream=True)).encode()
    answer = api.invoke(function_url.to_event("POST", PATH, "", headers, body, "203.0.113.7"))
    assert (answer["statusCode"], answer["headers"]["x-lambkin-stream"]) == (200, "buffered")
    *chunks, end = events(answer["body"].splitlines())
    assert (words(chunks), end) == ("w0 w1 w2 w3 ", None)


@pytest.fixture(scope="module")
def bucket(ministack: int) -> dict[str, str]:
    """What a function needs to know of a bucket that is there."""
    given = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ministack}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "BUCKET": "artifacts",
    }
    s3 = boto3.client(
        "s3",
        endpoint_url=given["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    s3.create_bucket(Bucket=given["BUCKET"])
    return given


def test_a_photograph_is_taken_in_looked_at_and_shown_smaller_by_the_artifact_alone(
    start: Start, world: World, bucket: dict[str, str]
) -> None:
    transport = InstancesTransport(lambda name: start(name, **bucket))
    with httpx.Client(transport=transport, base_url=BASE) as http:
        client = Client(http, world.person(), world)
        file = client.file(jpeg(1200, 800), "beach.jpg", "image/jpeg")
        assert client.upload(TEXT)["media_type"] == "text/plain"
        # Its decoder is a process of its own, which must find in the artifact what it needs.
        start("files", "functions.files.jobs.handler", **bucket).invoke({"source": "aws.events"}, 60)
        processed = client.read(file)
        assert processed["state"] == "ready", processed
        assert size_of(client.content(file, rendition=512).content) == (512, 341)
        link = client.call("GET", f"/{file['id']}/image", params={"w": 300, "format": "png"})
        assert link.status_code == 302, link.text
        assert size_of(httpx.get(link.headers["location"]).content) == (300, 200)


def size_of(content: bytes) -> tuple[int, int]:
    return Image.open(BytesIO(content)).size


@pytest.mark.parametrize("name", WITH_JOBS)
def test_the_jobs_of_each_function_take_queue_and_schedule(start: Start, name: str) -> None:
    api = start(name, f"functions.{name}.jobs.handler")
    assert api.invoke({"source": "aws.events"}) == {"batchItemFailures": []}
    record = {"messageId": "m1", "body": json.dumps({"job_id": "01a201da-b000-7000-8000-000000000000"})}
    told = api.invoke({"Records": [record | {"eventSource": "aws:sqs"}]})
    assert told == {"batchItemFailures": []}


def test_the_migrate_function_brings_a_database_to_the_head(
    start: Start, fresh_database_url: Callable[..., str]
) -> None:
    api = start("migrate", "migrations.handler.handler", DATABASE_URL=fresh_database_url(migrated=False))
    first: Any = api.invoke({}, 120)
    assert api.invoke({}) == first
    assert int(first["revision"]) >= 5


STRAY = """
from pathlib import Path

def imports(event, context):
    import infra

def reads(event, context):
    return Path({path!r}).read_text()
"""


@pytest.mark.parametrize(
    ("handler", "said"), [("imports", "No module named 'infra'"), ("reads", "is no part of the artifact")]
)
def test_what_is_no_part_of_the_artifact_is_missed_here(
    layer: Path, runtime: Path, tmp_path: Path, handler: str, said: str
) -> None:
    (tmp_path / "stray").mkdir()
    (tmp_path / "stray" / "stray.py").write_text(STRAY.format(path=str(PROJECT / "pyproject.toml")))
    folders = [tmp_path / "stray", layer, runtime]
    with (
        (tmp_path / "log").open("wb") as log,
        started("stray", f"stray.{handler}", folders, {}, log) as api,
        pytest.raises(InvocationFailed, match=said),
    ):
        api.invoke({})
