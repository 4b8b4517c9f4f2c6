"""SQS and SES on loopback, by moto's server, and the fixtures that let the settings name them."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from common.aws import aws_client
from common.jobs.queues import sender
from common.settings import get_settings
from tests.common.jobs.wake_ups import as_record
from tests.support.waiting import eventually

type SetEnvironment = Callable[..., None]


@pytest.fixture
def set_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[SetEnvironment]:
    """Change settings for one test: `set_environment(QUEUES="false")`."""

    def set_all(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        get_settings.cache_clear()

    yield set_all
    sender.flush(10)
    monkeypatch.undo()
    get_settings.cache_clear()


@dataclass(frozen=True)
class Queue:
    """One function's queue."""

    url: str

    def receive(self, *, wait: bool = True) -> list[dict[str, Any]]:
        """What is in the queue, as the records of a Lambda event; it is deleted there."""
        sqs = aws_client("sqs", timeout_seconds=5)

        def look() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = sqs.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=0
            ).get("Messages", [])
            return found

        assert sender.flush(5)
        messages = eventually(look) if wait else look()
        for message in messages:
            sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return [as_record(message["Body"], message["MessageId"]) for message in messages]


@pytest.fixture
def queue(moto_url: str, set_environment: SetEnvironment) -> Queue:
    """The worker's queue, fresh, with the settings that lead to it."""
    prefix = f"t{uuid.uuid4().hex[:12]}-"
    set_environment(AWS_ENDPOINT_URL=moto_url, QUEUES="true", QUEUE_PREFIX=prefix)
    made = aws_client("sqs", timeout_seconds=5).create_queue(QueueName=f"{prefix}worker")
    return Queue(made["QueueUrl"])
