"""Files through the real gateway: in a form, straight to the bucket, and back."""

import re
from hashlib import sha256
from io import BytesIO
from typing import Any
from uuid import uuid4

import httpx
import pytest
from PIL import Image

from functions.ai.app import app as ai
from functions.files.app import app
from tests.functions.files.calls import send
from tests.functions.files.pictures import jpeg
from tests.infra.docker.network.conftest import Mailbox
from tests.infra.docker.network.test_smoke import sign_up
from tests.support.network import CADDYFILE
from tests.support.waiting import eventually


@pytest.fixture
def person(client: httpx.Client, mailbox: tuple[Mailbox, int]) -> httpx.Client:
    tokens = sign_up(client, mailbox[0], f"{uuid4().hex}@lambkin.example")
    # Sent along wherever a redirect to the same address leads, which is where the bucket is too.
    client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    client.follow_redirects = True
    return client


def upload(person: httpx.Client, content: bytes, name: str) -> dict[str, Any]:
    wanted = {"name": name, "size": len(content), "sha256": sha256(content).hexdigest()}
    started = person.post("/v1/files/uploads", json=wanted)
    assert started.status_code == 201, started.text
    sent = send(started.json()["request"], content)
    assert sent.status_code == 200, sent.text
    completed = person.post(f"/v1/files/uploads/{started.json()['id']}/complete")
    assert completed.is_success, completed.text
    file: dict[str, Any] = completed.json()
    return file


def test_what_was_put_into_the_bucket_comes_back_by_the_redirect(person: httpx.Client) -> None:
    content = uuid4().bytes * 500_000
    file = upload(person, content, "large.bin")
    for headers in ({}, {"Authorization": person.headers["Authorization"]}):
        got = person.get(f"/v1/files/{file['id']}/content", headers=headers)
        assert (got.status_code, got.content) == (200, content)
        assert got.url.path.startswith("/lambkin/files/")


def test_a_photograph_is_made_safe_and_small_by_the_container_of_jobs(person: httpx.Client) -> None:
    file = upload(person, jpeg(1200, 800), "beach.jpg")
    path = f"/v1/files/{file['id']}"
    eventually(lambda: person.get(path, params={"wait": 5}).json()["state"] == "ready", 30)
    for asked in ("content?rendition=512", "image?w=512&format=png"):
        got = person.get(f"{path}/{asked}")
        assert got.status_code == 200, got.text
        assert Image.open(BytesIO(got.content)).size == (512, 341)
    assert b"Pocket 1" not in person.get(f"{path}/content").content


def test_a_form_may_be_larger_than_other_requests_and_files_itself_says_when_it_is_too_large(
    person: httpx.Client,
) -> None:
    def post(size: int) -> httpx.Response:
        return person.post("/v1/files", files={"file": ("large.bin", uuid4().bytes + bytes(size - 16))})

    assert post(4 * 1024**2).status_code == 201
    refused = post(4 * 1024**2 + 1)
    assert (refused.status_code, "POST /v1/files/uploads" in refused.json()["detail"]) == (413, True)
    assert post(6 * 1024**2).status_code == 413


def test_the_gateway_lets_through_what_files_and_ai_take() -> None:
    most_of_files, most_of_ai = re.findall(r"max_size (\d+)MiB", CADDYFILE.read_text())
    assert int(most_of_files) * 1024**2 > app.max_body_bytes
    assert int(most_of_ai) * 1024**2 > ai.max_body_bytes
