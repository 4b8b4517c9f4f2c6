"""What the functions expect of AWS: the bucket, a queue and its dead letters a job handler, the sender.

Every step can be repeated: it runs after each start of the emulator, over whatever it still has.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from email.utils import parseaddr
from typing import Any

import boto3
import botocore.config
import botocore.exceptions

from infra import bucket_cors
from infra.local.environment import endpoint

FAILURES = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)
VISIBILITY = 60  # seconds that a message is hidden while its handler works
ATTEMPTS = 5  # deliveries before a message becomes a dead letter


def client(service: str, environment: Mapping[str, str]) -> Any:  # noqa: ANN401 - boto3's clients have no types
    """A boto3 client for the endpoint and the account that the functions' environment names."""
    return boto3.client(
        service,
        endpoint_url=endpoint(environment),
        region_name=environment["AWS_DEFAULT_REGION"],
        aws_access_key_id=environment.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=environment.get("AWS_SECRET_ACCESS_KEY"),
        aws_session_token=environment.get("AWS_SESSION_TOKEN"),
        config=botocore.config.Config(
            connect_timeout=2,
            read_timeout=30,
            retries={"max_attempts": 1, "mode": "standard"},
        ),
    )


def provision(environment: Mapping[str, str], job_functions: Iterable[str]) -> None:
    """Make the bucket, the queues and the sender's identity where they are missing."""
    s3 = client("s3", environment)
    _make_bucket(s3, environment["BUCKET"])
    # Of a bucket in AWS it is not ours to say who may reach it.
    if endpoint(environment):
        bucket_cors.allow(s3, environment["BUCKET"], _origins(environment))
    sqs = client("sqs", environment)
    for name in job_functions:
        make_queue(sqs, environment["QUEUE_PREFIX"] + name)
    ses = client("sesv2", environment)
    with suppress(ses.exceptions.AlreadyExistsException):
        ses.create_email_identity(EmailIdentity=parseaddr(environment["MAIL_FROM"])[1])


def _make_bucket(s3: Any, bucket: str) -> None:  # noqa: ANN401 - boto3's clients have no types
    try:
        s3.head_bucket(Bucket=bucket)
    except botocore.exceptions.ClientError:
        with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
            s3.create_bucket(Bucket=bucket)


def _origins(environment: Mapping[str, str]) -> list[str]:
    given = environment.get("CORS_ORIGINS") or environment["FRONTEND_URL"]
    return [origin.strip().rstrip("/") for origin in given.split(",") if origin.strip()]


def make_queue(sqs: Any, name: str) -> str:  # noqa: ANN401 - boto3's clients have no types
    """Make a queue and its dead-letter queue `<name>-dead`; returns the queue's URL."""
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    dead_arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    url = str(sqs.create_queue(QueueName=name)["QueueUrl"])
    redrive = {"deadLetterTargetArn": dead_arn, "maxReceiveCount": ATTEMPTS}
    attributes = {"VisibilityTimeout": str(VISIBILITY), "RedrivePolicy": json.dumps(redrive)}
    sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    return url
