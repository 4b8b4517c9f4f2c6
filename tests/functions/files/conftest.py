"""A bucket that checks what it is given, and somebody who puts files there."""

import os
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from common.aws import aws_client
from tests.functions.files.calls import Client
from tests.support.fixtures import SettingsChange
from tests.support.world import Person, World

if not os.environ.get("LAMBKIN_CLAMD"):
    # What takes minutes, or a program of its own: `make test-files` runs it.
    collect_ignore = ["test_clamd.py", "test_every_step.py"]


@dataclass(frozen=True)
class Bucket:
    """What is in the bucket, seen from behind."""

    name: str
    s3: Any

    def keys(self) -> list[str]:
        found = self.s3.list_objects_v2(Bucket=self.name).get("Contents", [])
        return sorted(each["Key"] for each in found)

    def content(self, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=self.name, Key=key)["Body"].read())

    def unfinished(self) -> int:
        return len(self.s3.list_multipart_uploads(Bucket=self.name).get("Uploads", []))


@pytest.fixture
def bucket(ministack: int, settings: SettingsChange, world: World) -> Bucket:
    """A bucket of the test's own, and a database that knows of no other."""
    world.run("truncate files, file_contents, uploads, storage_usage, stored_objects")
    world.run("delete from jobs where function = 'files'")
    name = f"files-{uuid4().hex[:12]}"
    settings(
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{ministack}",
        # What MiniStack checks signatures against.
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        BUCKET=name,
    )
    s3 = aws_client("s3", timeout_seconds=10)
    s3.create_bucket(Bucket=name)
    return Bucket(name, s3)


@pytest.fixture
def person(world: World) -> Person:
    return world.person()


@pytest.fixture
def client(asgi: httpx.Client, person: Person, bucket: Bucket, world: World) -> Client:
    """The person's calls; the bucket is there."""
    return Client(asgi, person, world)
