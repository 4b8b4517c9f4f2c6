from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from common.aws import aws_client
from tests.support.fixtures import SettingsChange


@dataclass(frozen=True)
class Bucket:
    """What functions find in the bucket of one test."""

    s3: Any
    name: str

    def keys(self) -> list[str]:
        return [each["Key"] for each in self.s3.list_objects_v2(Bucket=self.name).get("Contents", [])]

    def put(self, key: str) -> None:
        self.s3.put_object(Bucket=self.name, Key=key, Body=b"")


@pytest.fixture
def bucket(moto_url: str, settings: SettingsChange) -> Bucket:
    """A bucket of its own, and the settings that lead to it."""
    name = f"test-{uuid4().hex}"
    settings(AWS_ENDPOINT_URL=moto_url, BUCKET=name)
    s3 = aws_client("s3", timeout_seconds=10)
    s3.create_bucket(Bucket=name)
    return Bucket(s3, name)
