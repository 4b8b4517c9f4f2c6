from typing import Any

import pytest

from infra.local.sqs_event import RAISED, failed_ids, sqs_event

MESSAGES = [
    {
        "MessageId": name,
        "ReceiptHandle": f"handle-{name}",
        "MD5OfBody": "d41d8cd98f00b204e9800998ecf8427e",
        "Body": '{"job": 1}',
        "Attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1700000000000"},
        "MessageAttributes": {
            "kind": {"DataType": "String", "StringValue": "mail"},
            "raw": {"DataType": "Binary", "BinaryValue": b"\x00"},
        },
    }
    for name in ("one", "two")
]


@pytest.fixture
def event() -> dict[str, Any]:
    return sqs_event(MESSAGES, "lambkin-worker")


def test_a_record_has_the_members_that_lambda_gives_it(event: dict[str, Any]) -> None:
    assert event["Records"][0] == {
        "messageId": "one",
        "receiptHandle": "handle-one",
        "body": '{"job": 1}',
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1700000000000"},
        "messageAttributes": {
            "kind": {
                "stringValue": "mail",
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": "String",
            },
            "raw": {
                "binaryValue": "AA==",
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": "Binary",
            },
        },
        "md5OfBody": "d41d8cd98f00b204e9800998ecf8427e",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:lambkin-worker",
        "awsRegion": "us-east-1",
    }


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": []}])
def test_a_handler_that_reports_nothing_has_done_everything(event: dict[str, Any], answer: Any) -> None:
    assert failed_ids(event, answer) == set()


def test_only_what_a_handler_reports_stays_in_the_queue(event: dict[str, Any]) -> None:
    assert failed_ids(event, {"batchItemFailures": [{"itemIdentifier": "two"}]}) == {"two"}


@pytest.mark.parametrize(
    "answer",
    [RAISED, {"batchItemFailures": [{"itemIdentifier": "three"}]}, {"batchItemFailures": [{"wrong": "one"}]}],
)
def test_all_messages_stay_where_a_handler_raised_or_its_answer_makes_no_sense(
    event: dict[str, Any], answer: Any
) -> None:
    assert failed_ids(event, answer) == {"one", "two"}
