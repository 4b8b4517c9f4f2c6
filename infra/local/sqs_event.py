"""SQS and Lambda: received messages as the event that a handler gets, and what its answer means."""

import base64
import os
from collections.abc import Mapping, Sequence
from typing import Any

RAISED = object()  # in place of an answer


def sqs_event(messages: Sequence[Mapping[str, Any]], queue_name: str) -> dict[str, Any]:
    """The event that Lambda's event source mapping makes of what `ReceiveMessage` answered."""
    region = os.environ.get("AWS_DEFAULT_REGION", "us-east-1")
    arn = f"arn:aws:sqs:{region}:000000000000:{queue_name}"
    return {"Records": [_record(message, arn, region) for message in messages]}


def _record(message: Mapping[str, Any], arn: str, region: str) -> dict[str, Any]:
    attributes = message.get("MessageAttributes", {})
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {name: _attribute(value) for name, value in attributes.items()},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": region,
    }


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    attribute: dict[str, Any] = {
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": value["DataType"],
    }
    if "StringValue" in value:
        attribute["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        attribute["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return attribute


def failed_ids(event: Mapping[str, Any], answer: Any) -> set[str]:  # noqa: ANN401 - a handler's own answer
    """The ids of the messages that stay in the queue, by the rules of `ReportBatchItemFailures`.

    None where the handler reported no failures; all where it raised (`RAISED`), or where its answer is
    malformed or names a message that is not in the batch.
    """
    everything = {record["messageId"] for record in event["Records"]}
    if answer is RAISED:
        return everything
    if not answer or not answer.get("batchItemFailures"):
        return set()
    try:
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    except (TypeError, KeyError):
        return everything
    unknown = failed - everything
    return everything if unknown else failed
